// SPDX-License-Identifier: MIT
/* All limits but the last are looked at first and held, so that a request that a later one rejects
 * counts nowhere; the last one is looked at and counted at once. What was held is looked at again when
 * it is counted, since other loops go on in between. */
#include "limit/requests.h"

#include "base/hash.h"

enum {
    STALE_MS = 60000,                    /* quiet for so long and empty: may be forgotten */
    FORGOTTEN_MOST = 3                   /* keys per new one */
};

/* Loops look at their clocks at different times, so a little backwards is no time at all. */
static int64_t since(const struct entry *entry, int64_t now_ms)
{
    int64_t ms = now_ms - entry->last_ms;

    if (ms < -STALE_MS)
        return 1;
    return ms < 0 ? 0 : ms;
}

/* What is left of `excess` after `ms`. */
static uint64_t leak(uint64_t excess, uint64_t rate, int64_t ms)
{
    if ((uint64_t)ms > excess * 1000 / rate)
        return 0;
    return excess - rate * (uint64_t)ms / 1000;
}

/* With this request. The first one after a while is free. */
static uint64_t excess_now(const struct entry *entry, uint64_t rate, int64_t ms)
{
    uint64_t left = leak(entry->excess + 1000, rate, ms);

    return entry->last_ms == 0 ? 0 : left;
}

static bool is_stale(const struct entry *entry, uint64_t rate, int64_t now_ms)
{
    int64_t ms = now_ms - entry->last_ms;

    ms = ms < 0 ? -ms : ms;
    return ms >= STALE_MS && leak(entry->excess, rate, ms) == 0;
}

/* The keys that were quiet for longest go, if they are stale; the first one in any case when it is
 * forced. Whoever is held stays, and with it all that are younger. */
static void forget(struct shard *shard, uint64_t rate, int64_t now_ms, bool is_forced)
{
    for (int i = is_forced ? 0 : 1; i < FORGOTTEN_MOST; i++) {
        struct entry *oldest = table_oldest(shard);

        if (oldest == NULL || oldest->held > 0)
            return;
        if (i > 0 && !is_stale(oldest, rate, now_ms))
            return;
        table_remove(shard, oldest);
    }
}

static struct entry *entry_new(struct shard *shard, const struct requests_ask *ask, int64_t now_ms)
{
    uint64_t      rate = ask->limit->zone->rate;
    struct entry *entry;

    forget(shard, rate, now_ms, false);
    entry = table_add(shard, ask->hash, ask->key);
    if (entry != NULL)
        return entry;
    forget(shard, rate, now_ms, true);
    return table_add(shard, ask->hash, ask->key);
}

static void count(struct entry *entry, uint64_t excess, int64_t ms, int64_t now_ms)
{
    entry->excess = excess;
    if (ms > 0)
        entry->last_ms = now_ms;
}

static enum requests_verdict look_inside(struct shard *shard, struct requests_ask *ask,
                                         bool is_last, int64_t now_ms, uint64_t *ret_excess)
{
    struct entry *entry = table_find(shard, ask->hash, ask->key);
    int64_t       ms;

    *ret_excess = 0;
    if (entry == NULL)
        entry = entry_new(shard, ask, now_ms);
    else
        table_renew(shard, entry);
    if (entry == NULL)
        return REQUESTS_NO_ROOM;
    ms = since(entry, now_ms);
    *ret_excess = excess_now(entry, ask->limit->zone->rate, ms);
    if (*ret_excess > ask->limit->burst)
        return REQUESTS_REJECTED;
    if (is_last) {
        count(entry, *ret_excess, ms, now_ms);
        return REQUESTS_PASSED;
    }
    entry->held++;
    ask->entry = entry;
    return REQUESTS_PASSED;
}

static void note(struct table_counts *counts, enum requests_verdict verdict, bool is_late)
{
    counts->asked++;
    counts->delayed += verdict == REQUESTS_PASSED && is_late;
    counts->refused += verdict == REQUESTS_REJECTED;
    counts->no_room += verdict == REQUESTS_NO_ROOM;
}

static enum requests_verdict look(struct requests_ask *ask, bool is_last, int64_t now_ms,
                                  uint64_t *ret_excess)
{
    struct shard         *shard;
    enum requests_verdict verdict;

    ask->hash = hash_text(ask->key);
    ask->entry = NULL;
    shard = table_enter(ask->limit->zone->table, ask->hash);
    verdict = look_inside(shard, ask, is_last, now_ms, ret_excess);
    note(table_counts(shard), verdict, is_last && *ret_excess > ask->limit->delay);
    table_leave(shard);
    return verdict;
}

static void let_go(struct requests_ask *asks, unsigned count)
{
    while (count-- > 0) {
        struct shard *shard = table_enter(asks[count].limit->zone->table, asks[count].hash);

        asks[count].entry->held--;
        table_leave(shard);
    }
}

/* Of one that was held. */
static uint64_t count_held(struct requests_ask *ask, int64_t now_ms)
{
    struct shard *shard = table_enter(ask->limit->zone->table, ask->hash);
    int64_t       ms = since(ask->entry, now_ms);
    uint64_t      excess = excess_now(ask->entry, ask->limit->zone->rate, ms);

    count(ask->entry, excess, ms, now_ms);
    ask->entry->held--;
    table_counts(shard)->delayed += excess > ask->limit->delay;
    table_leave(shard);
    return excess;
}

/* The longest delay counts. */
static void delay(struct requests_answer *answer, const struct limit_req *limit, uint64_t excess)
{
    int64_t delay_ms;

    if (excess <= limit->delay)
        return;
    delay_ms = (int64_t)((excess - limit->delay) * 1000 / limit->zone->rate);
    if (delay_ms <= answer->delay_ms)
        return;
    *answer = (struct requests_answer){ .verdict = REQUESTS_DELAYED, .limit = limit,
                                        .excess = excess, .delay_ms = delay_ms };
}

struct requests_answer requests_take(struct requests_ask *asks, unsigned count, int64_t now_ms)
{
    struct requests_answer answer = { .verdict = REQUESTS_PASSED };
    uint64_t               excess = 0;

    for (unsigned i = 0; i < count; i++) {
        enum requests_verdict verdict = look(&asks[i], i + 1 == count, now_ms, &excess);

        if (verdict == REQUESTS_PASSED)
            continue;
        let_go(asks, i);
        return (struct requests_answer){ .verdict = verdict, .limit = asks[i].limit,
                                         .excess = excess };
    }
    if (count > 0)
        delay(&answer, asks[count - 1].limit, excess);
    for (unsigned i = count; i > 1; i--)
        delay(&answer, asks[i - 2].limit, count_held(&asks[i - 2], now_ms));
    return answer;
}
