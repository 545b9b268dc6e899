// SPDX-License-Identifier: MIT
/* The bell of base/shortage.h starts rounds over the loops, one after the other with a pause, until no
 * cause is left; in between nothing of this runs, but a look every few seconds whether much less is held
 * than was: the allocator keeps what was freed, for a next crowd that may never come. */
#include "main/relief.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/budget.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/shortage.h"
#include "net/lane.h"
#include "proxy/admission.h"

enum {
    ROUND_MS = 100,          /* between two rounds, and before the reserve is taken again */
    QUIET_MS = 1000,         /* without a failure of malloc: then work is let in without a reserve */
    CALM_MS = 1000,          /* without a cause: then the log says that it is over */
    TRIM_MS = 2000,          /* between two looks */
    TRIM_LEAST = 8 * 1024 * 1024
};

struct relief {
    struct loop    *control;
    struct runners *runners;
    struct watch    bell;
    struct task     task;
    struct timer    timer;
    struct task     trim;
    struct timer    trim_timer;
    uint64_t        high;                /* the most that was held since the last trim */
    struct round    round;
    bool            is_busy;             /* a round is on its way */
    bool            has_waited;          /* it is not the first of a shortage */
    uint64_t        failures;            /* of malloc, so far */
    int64_t         failed_ms;           /* when the last of them was seen */
    bool            is_short;            /* as the log has it */
    unsigned        causes;              /* when last looked */
    int64_t         began_ms, calm_ms;   /* since when there is none */
    uint64_t        refused;             /* when the last one was over */
};

/* There is one; static, as the worker is. */
static struct relief relief;

/* ---- giving back ---- */

/* What a loop has given back may be of use to its own thread only (an arena of malloc's), so each
 * tries to take the reserve from it. */
static void loop_act(struct runner *runner, struct round *round)
{
    (void)round;
    if (shortage_now() & SHORTAGE_SYSTEM)
        front_close_idle(runner->front);
    lanes_drain();
    pools_drain();
    if (relief.has_waited && (shortage_now() & SHORTAGE_SYSTEM))
        (void)mem_reserve();
}

static void loops_done(struct runners *runners, struct round *round)
{
    (void)runners;
    (void)round;
    relief.is_busy = false;
    pools_drain();
    if (shortage_now() & SHORTAGE_SYSTEM)
        mem_trim();
}

static void round_begin(bool has_waited)
{
    if (relief.is_busy || relief.runners->count == 0)
        return;
    relief.is_busy = true;
    relief.has_waited = has_waited;
    relief.round.act = loop_act;
    relief.round.done = loops_done;
    round_start(relief.runners, &relief.round);
}

/* ---- saying so ---- */

static void begin(unsigned causes, int64_t now_ms)
{
    relief.is_short = true;
    relief.began_ms = relief.calm_ms = now_ms;
    if (causes & SHORTAGE_SYSTEM)
        log_at(LOG_CRIT, NULL, "malloc() failed %s: until memory suffices, %s",
               log_errno(ENOMEM).text,
               "new requests are answered 503 and idle connections are closed");
    else
        log_at(LOG_ERROR, NULL, "%llu bytes of worker_memory are used up: %s",
               (unsigned long long)budget_most(),
               "until less is held, new requests are answered 503");
}

static void end(void)
{
    uint64_t refused = admission_refused();

    relief.is_short = false;
    mem_trim();
    log_at(LOG_NOTICE, NULL, "memory suffices again after %lld ms, %llu requests were refused",
           (long long)(relief.calm_ms - relief.began_ms),
           (unsigned long long)(refused - relief.refused));
    relief.refused = refused;
}

/* ---- hearing of it ---- */

/* A reserve that cannot be had must not lock everybody out for ever. */
static void system_review(int64_t now_ms)
{
    uint64_t failures = mem_failures();

    if (failures != relief.failures)
        relief.failed_ms = now_ms;
    relief.failures = failures;
    if (mem_reserve() || now_ms - relief.failed_ms >= QUIET_MS)
        shortage_end(SHORTAGE_SYSTEM);
}

static void relief_run(struct task *task, unsigned wakes)
{
    int64_t  now_ms = loop_now_ms(relief.control);
    uint64_t rings;
    unsigned former = relief.causes, seen = shortage_seen();

    (void)task;
    (void)!read(relief.bell.fd, &rings, sizeof(rings));
    if (wakes & WAKE_DEADLINE) {
        system_review(now_ms);
        budget_review();
    }
    relief.causes = shortage_now();
    seen |= relief.causes;   /* one that is over already refused somebody, too */
    if (seen != 0 && !relief.is_short)
        begin(seen, now_ms);
    if (!relief.is_short)
        return;
    if (relief.causes != 0)
        round_begin(wakes & WAKE_DEADLINE);
    else if (former != 0 || seen != 0)
        relief.calm_ms = now_ms;
    else if (now_ms - relief.calm_ms >= CALM_MS && mem_reserve())
        end();
    if (relief.is_short)
        timer_set(loop_timers(relief.control), &relief.timer, now_ms + ROUND_MS);
}

/* ---- after a crowd ---- */

static void trim_arm(void)
{
    timer_set(loop_timers(relief.control), &relief.trim_timer, loop_now_ms(relief.control) + TRIM_MS);
}

/* Work that comes and goes in waves shorter than that would only fetch again what was given back. */
static void trim_run(struct task *task, unsigned wakes)
{
    uint64_t peak = budget_take_peak();

    (void)task;
    (void)wakes;
    if (peak > relief.high)
        relief.high = peak;
    if (relief.high - peak >= TRIM_LEAST && peak <= relief.high / 2) {
        relief.high = peak;
        mem_trim();
    }
    trim_arm();
}

int relief_begin(struct loop *control, struct runners *runners)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), error;

    if (fd < 0)
        return -errno;
    relief = (struct relief){ .control = control,
                              .runners = runners,
                              .bell = { .fd = fd, .task = &relief.task } };
    task_init(&relief.task, relief_run);
    timer_init(&relief.timer, &relief.task);
    task_init(&relief.trim, trim_run);
    timer_init(&relief.trim_timer, &relief.trim);
    error = loop_watch(control, &relief.bell, false);
    if (error < 0) {
        (void)close(fd);
        return error;
    }
    /* The supervisor may have been short before the fork. */
    (void)shortage_seen();
    if (mem_reserve())
        shortage_end(SHORTAGE_SYSTEM);
    shortage_bell(fd);
    task_wake(&relief.task, 0);
    trim_arm();
    return 0;
}
