// SPDX-License-Identifier: MIT
/* Requests by a made-up trace, through the memory tier and through an LRU of the same size, for the
 * bench of hit ratios and for its small twin among the unit tests. Deterministic: own random numbers.
 *
 * A trace has keys by Zipf, of which now and then a scan reads a run of others once, and a part of the
 * requests is for keys that never come again. */
#ifndef TESTS_UNIT_CACHE_TRACE_H
#define TESTS_UNIT_CACHE_TRACE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cache/memory.h"

struct trace {
    double   alpha;                      /* of Zipf */
    unsigned keys, requests;
    unsigned scan_every, scan_length;    /* in requests; 0: none */
    unsigned wonders;                    /* percent of requests */
    bool     is_mixed;                   /* bodies of 100 to 20,000 bytes instead of 1,000 */
};

struct trace_run {
    const struct trace *trace;
    double             *sums;            /* of Zipf weights up to each key */
    uint64_t            state, next_unique;
    unsigned            at, scan_left;
};

static uint64_t trace_random(struct trace_run *run)
{
    run->state ^= run->state << 13;
    run->state ^= run->state >> 7;
    run->state ^= run->state << 17;
    return run->state * 0x2545f4914f6cdd1d;
}

static void trace_begin(struct trace_run *run, const struct trace *trace)
{
    double sum = 0;

    *run = (struct trace_run){ .trace = trace, .state = 88172645463325252, .next_unique = 1u << 30 };
    run->sums = mem_new(trace->keys * sizeof(double));
    for (unsigned i = 0; i < trace->keys; i++)
        run->sums[i] = sum += 1 / pow(i + 1, trace->alpha);
}

static void trace_end(struct trace_run *run)
{
    MEM_FREE(&run->sums);
}

static uint64_t trace_zipf(struct trace_run *run)
{
    double   wanted = (double)(trace_random(run) >> 11) / 9007199254740992.0 *
                    run->sums[run->trace->keys - 1];
    unsigned low = 0, high = run->trace->keys - 1;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (run->sums[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* False: the trace is over. */
static bool trace_next(struct trace_run *run, uint64_t *ret_key)
{
    const struct trace *trace = run->trace;

    if (run->at++ == trace->requests)
        return false;
    if (trace->scan_every > 0 && run->at % trace->scan_every == 0)
        run->scan_left = trace->scan_length;
    if (run->scan_left > 0) {
        run->scan_left--;
        *ret_key = run->next_unique++;
    } else if (trace_random(run) % 100 < trace->wonders) {
        *ret_key = run->next_unique++;
    } else {
        *ret_key = trace_zipf(run);
    }
    return true;
}

/* ---- the same to both caches ---- */

static uint64_t trace_body_len(const struct trace *trace, uint64_t key)
{
    uint64_t mixed = (key + 1) * 0x9e3779b97f4a7c15 >> 32;

    return trace->is_mixed ? 100 + mixed % 19900 : 1000;
}

static struct object *trace_object(const struct trace *trace, uint64_t key)
{
    struct object_parts parts = {
        .key = cache_key_of(1, text_of((const char *)&key, sizeof(key))),
        .facts = { .serial = 1 },
    };
    struct object *object = object_try_new(&parts, trace_body_len(trace, key));

    must(object != NULL);
    return object;
}

static struct text trace_variant(struct variant_ask *ask, struct text vary)
{
    (void)ask;
    (void)vary;
    return TEXT_NONE;
}

static bool tier_request(struct memory *memory, const struct trace *trace, uint64_t number)
{
    struct cache_key   key = cache_key_of(1, text_of((const char *)&number, sizeof(number)));
    struct variant_ask ask = { trace_variant };
    bool               is_purged, is_hit;
    struct object     *object = memory_find(memory, &key, &ask, true, &is_purged, NULL);

    is_hit = object != NULL;
    if (!is_hit) {
        object = trace_object(trace, number);
        (void)memory_insert(memory, object);
    }
    object_unref(object);
    return is_hit;
}

/* Per cent. */
static double trace_through_tier(const struct trace *trace, uint64_t limit)
{
    struct purges   *purges = purges_new();
    struct memory   *memory = memory_new(limit, purges);
    struct trace_run run;
    unsigned         hits = 0;
    uint64_t         key;

    trace_begin(&run, trace);
    while (trace_next(&run, &key))
        hits += tier_request(memory, trace, key);
    trace_end(&run);
    memory_free(&memory);
    purges_free(&purges);
    return hits * 100.0 / trace->requests;
}

/* ---- the least recently used goes ---- */

struct lru_entry {
    uint64_t          key;
    size_t            bytes;
    struct lru_entry *chain, *newer, *older;
};

enum { LRU_CHAINS = 1 << 17 };

struct lru {
    struct lru_entry **chains, *newest, *oldest;
    size_t             bytes, limit;
};

static struct lru_entry **lru_place(struct lru *lru, uint64_t key)
{
    struct lru_entry **at = &lru->chains[key * 0x9e3779b97f4a7c15 >> 47];

    while (*at != NULL && (*at)->key != key)
        at = &(*at)->chain;
    return at;
}

static void lru_unlink(struct lru *lru, struct lru_entry *entry)
{
    *(entry->newer == NULL ? &lru->newest : &entry->newer->older) = entry->older;
    *(entry->older == NULL ? &lru->oldest : &entry->older->newer) = entry->newer;
}

static void lru_link(struct lru *lru, struct lru_entry *entry)
{
    entry->newer = NULL;
    entry->older = lru->newest;
    *(lru->newest == NULL ? &lru->oldest : &lru->newest->newer) = entry;
    lru->newest = entry;
}

static void lru_evict(struct lru *lru)
{
    struct lru_entry *entry = lru->oldest;

    *lru_place(lru, entry->key) = entry->chain;
    lru_unlink(lru, entry);
    lru->bytes -= entry->bytes;
    mem_free(entry);
}

static bool lru_request(struct lru *lru, const struct trace *trace, uint64_t key)
{
    struct lru_entry **place = lru_place(lru, key), *entry = *place;
    struct object     *object;

    if (entry != NULL) {
        lru_unlink(lru, entry);
        lru_link(lru, entry);
        return true;
    }
    entry = *place = mem_new(sizeof(*entry));
    object = trace_object(trace, key);
    entry->key = key;
    entry->bytes = object_bytes(object) + 2 * sizeof(void *);      /* a table of its own */
    object_unref(object);
    lru_link(lru, entry);
    lru->bytes += entry->bytes;
    while (lru->bytes > lru->limit)
        lru_evict(lru);
    return false;
}

static double trace_through_lru(const struct trace *trace, uint64_t limit)
{
    struct lru       lru = { .chains = mem_new(LRU_CHAINS * sizeof(struct lru_entry *)), .limit = limit };
    struct trace_run run;
    unsigned         hits = 0;
    uint64_t         key;

    trace_begin(&run, trace);
    while (trace_next(&run, &key))
        hits += lru_request(&lru, trace, key);
    trace_end(&run);
    while (lru.oldest != NULL)
        lru_evict(&lru);
    mem_free(lru.chains);
    return hits * 100.0 / trace->requests;
}

#endif
