// SPDX-License-Identifier: MIT
/* A loop judges its connections once per turn and all else every millisecond: a few loads and comparisons. Only when a level changes, or one
 * that changed is still to be said, is the lock taken. Shared levels are changed by whichever loop sees
 * it first, and said by that one alone. */
#include "net/pressure.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <threads.h>

#include "base/budget.h"
#include "base/log.h"
#include "base/shortage.h"
#include "net/loop.h"
#include "net/room.h"

enum {
    SMOOTH_US = 500 * 1000,              /* the mean's memory */
    LOOK_US = 10 * 1000,                 /* turns within it count as their worst */
    JUDGE_US = 1000,                     /* busy turns are shorter, and many */
    WHOLE = 1024, QUARTER = WHOLE / 4,   /* of a weight */
    SAY_US = 1000 * 1000,                /* between two lines of a kind */
    CONNS_SPARE = 512,                   /* most that keep-alive leaves to others; few of few: */
    DESCRIPTORS_SPARE = 1024,            /* a tenth, and a fifth */
    LINE_BYTES = 128
};

struct level {
    atomic_uint now, said;               /* enum pressure */
    int64_t     say_us;                  /* when it may be said again; under the lock */
};

struct loop_lag {
    int64_t mean_us, worst_us;           /* worst: since the last look */
    int64_t looked_us, judged_us;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const bool is_shared[PRESSURE_KINDS] = {
    [PRESSURE_OF_MEMORY] = true,
    [PRESSURE_OF_DESCRIPTORS] = true,
};

static _Atomic uint32_t high_ms, critical_ms;
static _Atomic uint64_t lags_us[LOOPS_MOST], conns[LOOPS_MOST];
static struct level     shared[PRESSURE_KINDS];
static _Atomic uint64_t closed, pauses;

/* For those who look on; under the lock. */
static struct history {
    unsigned at[PRESSURE_CRITICAL + 1];  /* how many are at that level; nobody counts those at NONE */
    uint64_t rises[PRESSURE_CRITICAL + 1];
    int64_t  since_us;
} histories[PRESSURE_KINDS];

static thread_local bool            is_watched;
static thread_local unsigned        number;
static thread_local struct level    own[PRESSURE_KINDS];
static thread_local struct loop_lag lag;

void pressure_set_lag(uint32_t high, uint32_t critical)
{
    atomic_store(&high_ms, high);
    atomic_store(&critical_ms, critical);
}

static struct level *level_of(enum pressure_of kind)
{
    return is_shared[kind] ? &shared[kind] : &own[kind];
}

enum pressure pressure_level(enum pressure_of kind)
{
    return (enum pressure)atomic_load_explicit(&level_of(kind)->now, memory_order_relaxed);
}

/* ---- judging ---- */

/* Two marks to rise over, and one each to fall below again. */
struct marks {
    uint64_t high, high_ends, critical, critical_ends;
};

static enum pressure grade(enum pressure former, uint64_t figure, const struct marks *marks)
{
    if (figure >= (former == PRESSURE_CRITICAL ? marks->critical_ends : marks->critical))
        return PRESSURE_CRITICAL;
    if (figure >= (former == PRESSURE_NONE ? marks->high : marks->high_ends))
        return PRESSURE_HIGH;
    return PRESSURE_NONE;
}

static enum pressure judge_time(enum pressure former)
{
    uint64_t high = atomic_load_explicit(&high_ms, memory_order_relaxed) * UINT64_C(1000);
    uint64_t critical = atomic_load_explicit(&critical_ms, memory_order_relaxed) * UINT64_C(1000);

    if (high == 0)
        return PRESSURE_NONE;
    return grade(former, (uint64_t)lag.mean_us,
                 &(struct marks){ high, high / 2, critical, critical / 2 });
}

static uint64_t at_most(uint64_t wanted, uint64_t most)
{
    return wanted < most ? wanted : most;
}

/* From nine tenths on clients come in only for those who rest (room.h): keep-alive ends before. */
static enum pressure judge_conns(enum pressure former)
{
    struct room_use use = room_conns();
    uint64_t        few = use.most - use.most / 10, spare = at_most(use.most / 10, CONNS_SPARE);

    atomic_store_explicit(&conns[number], use.used, memory_order_relaxed);
    if (use.most == 0)
        return PRESSURE_NONE;
    return grade(former, use.used,
                 &(struct marks){ few - spare, few - 2 * spare, few, few - spare });
}

/* Of the budget. Once it is used up requests are refused, and when malloc has failed nobody is let in:
 * base/shortage.h knows both at once, and main/relief.c says so. */
static enum pressure judge_memory(enum pressure former)
{
    uint64_t most = budget_most();

    if (most == UINT64_MAX)
        return PRESSURE_NONE;
    return grade(former, budget_held(),
                 &(struct marks){ most - most / 4, most - most * 3 / 8, UINT64_MAX, UINT64_MAX });
}

static enum pressure judge_descriptors(enum pressure former)
{
    struct room_use use = room_descriptors();
    uint64_t        most = use.most, spare = at_most(most / 5, DESCRIPTORS_SPARE);

    if (most == 0)
        return PRESSURE_NONE;
    return grade(former, use.used,
                 &(struct marks){ most - spare, most - spare * 3 / 2, most, most - spare / 2 });
}

/* ---- saying ---- */

static void figure_write(enum pressure_of kind, char line[LINE_BYTES])
{
    struct room_use use = kind == PRESSURE_OF_CONNS ? room_conns() : room_descriptors();

    switch (kind) {
    case PRESSURE_OF_TIME:
        (void)snprintf(line, LINE_BYTES, "event loop %u lags %lld ms", number,
                       (long long)(lag.mean_us / 1000));
        break;
    case PRESSURE_OF_CONNS:
        (void)snprintf(line, LINE_BYTES, "event loop %u has %llu of %llu worker_connections",
                       number, (unsigned long long)use.used, (unsigned long long)use.most);
        break;
    case PRESSURE_OF_MEMORY:
        (void)snprintf(line, LINE_BYTES, "%llu of %llu bytes of worker_memory are held",
                       (unsigned long long)budget_held(), (unsigned long long)budget_most());
        break;
    case PRESSURE_OF_DESCRIPTORS:
    case PRESSURE_KINDS:
        (void)snprintf(line, LINE_BYTES, "%llu of %llu descriptors are used",
                       (unsigned long long)use.used, (unsigned long long)use.most);
        break;
    }
}

static const char *consequence(enum pressure_of kind, enum pressure level)
{
    bool is_room = kind == PRESSURE_OF_CONNS || kind == PRESSURE_OF_DESCRIPTORS;

    switch (level) {
    case PRESSURE_NONE:
        return "connections are kept again";
    case PRESSURE_HIGH:
        return is_room ? "for each connection that is kept an idle one is closed"
                       : "connections are closed after their answers";
    case PRESSURE_CRITICAL:
        break;
    }
    return is_room ? "idle connections are closed and accepting may pause"
                   : "nobody is let in until it is better";
}

static void say(enum pressure_of kind, enum pressure level)
{
    static const enum log_level levels[] = { LOG_NOTICE, LOG_WARN, LOG_ERROR };
    char                        figure[LINE_BYTES];

    figure_write(kind, figure);
    log_at(levels[level], NULL, "%s: %s", figure, consequence(kind, level));
}

static bool is_any(const struct history *history)
{
    return history->at[PRESSURE_HIGH] + history->at[PRESSURE_CRITICAL] > 0;
}

static void note(struct history *history, enum pressure from, enum pressure to, int64_t now_us)
{
    bool was_any = is_any(history);

    if (from != PRESSURE_NONE)
        history->at[from]--;
    if (to != PRESSURE_NONE)
        history->at[to]++;
    if (to > from)
        history->rises[to]++;
    if (!was_any)
        history->since_us = now_us;
}

/* True: it is this thread's to say. */
static bool change(struct level *level, enum pressure_of kind, enum pressure to, int64_t now_us)
{
    bool may_say;

    (void)pthread_mutex_lock(&lock);
    if (atomic_load(&level->now) != to)
        note(&histories[kind], (enum pressure)atomic_load(&level->now), to, now_us);
    atomic_store(&level->now, to);
    may_say = atomic_load(&level->said) != to && now_us >= level->say_us;
    if (may_say) {
        atomic_store(&level->said, to);
        level->say_us = now_us + SAY_US;
    }
    (void)pthread_mutex_unlock(&lock);
    return may_say;
}

static void settle(enum pressure_of kind, enum pressure (*judge)(enum pressure former),
                   int64_t now_us)
{
    struct level *level = level_of(kind);
    enum pressure former = pressure_level(kind), to = judge(former);

    if (to == former && atomic_load_explicit(&level->said, memory_order_relaxed) == to)
        return;
    if (change(level, kind, to, now_us))
        say(kind, to);
}

/* Whatever the thread's last loop went through, and has said. */
void pressure_begin(unsigned loop_number)
{
    is_watched = true;
    number = loop_number;
    lag = (struct loop_lag){ 0 };
    for (enum pressure_of kind = PRESSURE_OF_TIME; kind < PRESSURE_KINDS; kind++) {
        (void)change(&own[kind], kind, PRESSURE_NONE, 0);
        atomic_store(&own[kind].said, PRESSURE_NONE);
        own[kind].say_us = 0;
    }
}

/* ---- the turn ---- */

/* A mean weighted by time. What is worse than it counts for a quarter at most; a long sleep is a good
 * sign, however long. */
static void smooth(int64_t now_us)
{
    int64_t weight = (now_us - lag.looked_us) * WHOLE / SMOOTH_US;
    int64_t most = lag.worst_us > lag.mean_us ? QUARTER : WHOLE;

    weight = weight > most ? most : weight;
    lag.mean_us += (lag.worst_us - lag.mean_us) * weight / WHOLE;
    lag.looked_us = now_us;
    lag.worst_us = 0;
    atomic_store_explicit(&lags_us[number], (uint64_t)lag.mean_us, memory_order_relaxed);
}

void pressure_turn(int64_t lag_us, int64_t now_us)
{
    if (!is_watched)
        return;
    if (lag_us > lag.worst_us)
        lag.worst_us = lag_us;
    if (now_us - lag.looked_us >= LOOK_US)
        smooth(now_us);
    settle(PRESSURE_OF_CONNS, judge_conns, now_us);
    if (now_us - lag.judged_us < JUDGE_US)
        return;
    lag.judged_us = now_us;
    settle(PRESSURE_OF_TIME, judge_time, now_us);
    settle(PRESSURE_OF_MEMORY, judge_memory, now_us);
    settle(PRESSURE_OF_DESCRIPTORS, judge_descriptors, now_us);
}

/* ---- what follows ---- */

enum pressure_keep pressure_keep(void)
{
    if (shortage_now() != 0 || pressure_level(PRESSURE_OF_TIME) != PRESSURE_NONE ||
        pressure_level(PRESSURE_OF_MEMORY) != PRESSURE_NONE)
        return PRESSURE_CLOSE;
    return pressure_level(PRESSURE_OF_CONNS) == PRESSURE_NONE &&
                   pressure_level(PRESSURE_OF_DESCRIPTORS) == PRESSURE_NONE
               ? PRESSURE_KEEP
               : PRESSURE_KEEP_FOR_ANOTHER;
}

void pressure_note_closed(unsigned count)
{
    atomic_fetch_add_explicit(&closed, count, memory_order_relaxed);
}

bool pressure_may_accept(void)
{
    if (pressure_level(PRESSURE_OF_TIME) != PRESSURE_CRITICAL &&
        (shortage_now() & SHORTAGE_SYSTEM) == 0)
        return true;
    atomic_fetch_add_explicit(&pauses, 1, memory_order_relaxed);
    return false;
}

static uint64_t most_of(_Atomic uint64_t figures[LOOPS_MOST])
{
    uint64_t most = 0;

    for (unsigned i = 0; i < LOOPS_MOST; i++) {
        uint64_t one = atomic_load_explicit(&figures[i], memory_order_relaxed);

        most = one > most ? one : most;
    }
    return most;
}

/* The clock of a loop that has just noted it may be ahead of ours. */
static int64_t for_us(const struct history *history, int64_t now_us)
{
    return is_any(history) && now_us > history->since_us ? now_us - history->since_us : 0;
}

static struct pressure_figure figure_of(const struct history *history, int64_t now_us)
{
    return (struct pressure_figure){ .level = history->at[PRESSURE_CRITICAL] > 0 ? PRESSURE_CRITICAL
                                              : is_any(history)                  ? PRESSURE_HIGH
                                                                                 : PRESSURE_NONE,
                                     .highs = history->rises[PRESSURE_HIGH],
                                     .criticals = history->rises[PRESSURE_CRITICAL],
                                     .for_us = for_us(history, now_us) };
}

struct pressure_figures pressure_figures(int64_t now_us)
{
    struct pressure_figures figures = { .closed = atomic_load(&closed),
                                        .pauses = atomic_load(&pauses) };

    (void)pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < PRESSURE_KINDS; i++)
        figures.of[i] = figure_of(&histories[i], now_us);
    (void)pthread_mutex_unlock(&lock);
    figures.of[PRESSURE_OF_TIME].now = most_of(lags_us);
    figures.of[PRESSURE_OF_CONNS].now = most_of(conns);
    figures.of[PRESSURE_OF_MEMORY].now = budget_held();
    figures.of[PRESSURE_OF_DESCRIPTORS].now = room_descriptors().used;
    return figures;
}
