// SPDX-License-Identifier: MIT
/* A purge may be forgotten when nobody is left whom it concerns. A round proves that:
 *
 *   1. The newest purge is noted, and all who are under way by now are waited for. Whatever was judged
 *      before that purge was written is in by then, or will never be.
 *   2. Memory is swept, and the disk walked through. What comes in meanwhile is judged by the book.
 *   3. Who was under way until then is waited for: he may have found something before the sweep came by.
 *   4. Hard purges up to the noted one concern nobody now. Soft ones may: what is stale by them stays. So
 *      those go that are not newer than the oldest that was met.
 *
 * A sweep that is asked for while a round waits is done at once, besides. */
#include "cache/upkeep.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/pool.h"
#include "cache/disk_sweep.h"

enum {
    LINES_MEMORY = 4096,                 /* more are a long book, where sweeping costs memory's walk only */
    LINES_DISK = PURGES_LABELS_MOST / 4, /* and where the whole disk is read for it */
    TICKS = 8,                           /* of idle time, by which it is measured */
    TICK_LEAST_MS = 50,
    POLL_MS = 50,                        /* those who are waited for */
    POLL_MOST_MS = 2000,
    PATIENCE_MS = 500,                   /* before who asks is served besides */
    COUNT_MS = 1000,                     /* between looks at what a disk's index has grown to */
    REST_MS = 1000,                      /* between rounds, and so many times what the last one took: */
    REST_SHARE = 4
};

enum stage { STAGE_IDLE = 0, STAGE_BEFORE, STAGE_SWEEPING, STAGE_AFTER };

struct upkeep {
    struct upkept       upkept;
    pthread_t           thread;
    bool                has_thread;
    struct disk_sweep   walk;

    pthread_mutex_t     lock;            /* of what follows, up to the thread's own */
    pthread_cond_t      news;
    bool                is_closing, is_walked, has_news;
    struct cache_sweep *asked;
    int64_t             tick_ms;         /* 0: nobody goes for being idle */
    struct upkeep_figures figures;

    /* Of the thread. */
    enum stage          stage, before;   /* the one that the sweep under way has come from */
    bool                is_besides;      /* that is not the round's own */
    struct cache_sweep *served;          /* by it */
    bool                has_walk;        /* the sweep under way has one */
    uint64_t            covered;         /* serial of the newest purge that the round is about */
    uint64_t            swept, walk_stale;       /* what the round's walk says of stale ones */
    int64_t             began_ms, rest_until_ms, poll_ms, next_tick_ms;
};

/* ---- whoever asked ---- */

static void sweep_opened(struct loop *loop, struct letter *letter)
{
    struct cache_sweep *sweep = container_of(letter, struct cache_sweep, letter);

    (void)loop;
    sweep->is_done = true;
    log_at(LOG_NOTICE, NULL,
           "cache \"%s\": swept: %" PRIu64 " objects went from memory, %" PRIu64 " from the disk%s",
           sweep->name, sweep->memory, sweep->disk,
           sweep->is_partial ? ", which was not read to its end" : "");
    if (sweep->waiter != NULL)
        task_wake(sweep->waiter, WAKE_LETTER);
    else
        mem_free(sweep);
}

/* Who asked may be a loop that has ended by now: it gets no letter that it did not ask for. */
static void end(struct cache_sweep *sweep)
{
    if (sweep->is_for_nobody)
        mem_free(sweep);
    else
        mailbox_post(sweep->loop, &sweep->letter);
}

static void tell(struct cache_sweep *sweeps, const struct cache_sweep *result)
{
    struct cache_sweep *next;

    for (; sweeps != NULL; sweeps = next) {
        next = sweeps->next;
        sweeps->is_partial = result->is_partial;
        sweeps->memory = result->memory;
        sweeps->disk = result->disk;
        end(sweeps);
    }
}

/* With the lock held. */
static void wake(struct upkeep *upkeep)
{
    upkeep->has_news = true;
    pthread_cond_signal(&upkeep->news);
}

void upkeep_sweep(struct upkeep *upkeep, struct cache_sweep *sweep)
{
    sweep->is_done = false;
    sweep->is_for_nobody = sweep->waiter == NULL;
    sweep->loop = loop_self();
    sweep->letter.open = sweep_opened;
    (void)snprintf(sweep->name, sizeof(sweep->name), "%.*s", TEXT_ARGS(upkeep->upkept.name));
    if (!upkeep->has_thread) {
        sweep->is_partial = true;
        end(sweep);
        return;
    }
    pthread_mutex_lock(&upkeep->lock);
    sweep->next = upkeep->asked;
    upkeep->asked = sweep;
    wake(upkeep);
    pthread_mutex_unlock(&upkeep->lock);
}

/* ---- sweeping ---- */

static bool is_book_long(struct upkeep *upkeep)
{
    return purges_count(upkeep->upkept.purges) >
           (upkeep->upkept.disk != NULL ? LINES_DISK : LINES_MEMORY);
}

static void walk_done(struct disk_sweep *walk)
{
    struct upkeep *upkeep = container_of(walk, struct upkeep, walk);

    pthread_mutex_lock(&upkeep->lock);
    upkeep->is_walked = true;
    wake(upkeep);
    pthread_mutex_unlock(&upkeep->lock);
}

/* Memory at once; the disk's part is waited for. */
static void sweep_begin(struct upkeep *upkeep, bool is_besides)
{
    const struct upkept *upkept = &upkeep->upkept;

    pthread_mutex_lock(&upkeep->lock);
    upkeep->served = upkeep->asked;
    upkeep->asked = NULL;
    upkeep->is_walked = false;
    upkeep->figures.is_sweeping = true;
    pthread_mutex_unlock(&upkeep->lock);
    upkeep->before = upkeep->stage;
    upkeep->is_besides = is_besides;
    upkeep->stage = STAGE_SWEEPING;
    upkeep->walk.done = walk_done;
    upkeep->has_walk = upkept->disk != NULL && disk_sweep_start(upkept->disk, &upkeep->walk);
    upkeep->swept = memory_sweep(upkept->memory, NULL, NULL);
}

static bool is_swept(struct upkeep *upkeep)
{
    bool is_walked;

    pthread_mutex_lock(&upkeep->lock);
    is_walked = upkeep->is_walked;
    pthread_mutex_unlock(&upkeep->lock);
    return is_walked || !upkeep->has_walk;
}

/* The disk's index was swept as well, or there is none. */
static bool is_whole(const struct upkeep *upkeep)
{
    return upkeep->upkept.disk == NULL || (upkeep->has_walk && upkeep->walk.result == 0);
}

static void count_sweep(struct upkeep *upkeep, const struct cache_sweep *result)
{
    pthread_mutex_lock(&upkeep->lock);
    upkeep->figures.is_sweeping = false;
    upkeep->figures.sweeps++;
    upkeep->figures.memory += result->memory;
    upkeep->figures.disk += result->disk;
    pthread_mutex_unlock(&upkeep->lock);
}

static void rest(struct upkeep *upkeep, int64_t now_ms)
{
    upkeep->stage = STAGE_IDLE;
    upkeep->rest_until_ms = now_ms + REST_MS + REST_SHARE * (now_ms - upkeep->began_ms);
}

static void sweep_end(struct upkeep *upkeep, int64_t now_ms)
{
    const struct cache_sweep result = { .memory = upkeep->swept,
                                        .disk = upkeep->has_walk ? upkeep->walk.gone : 0,
                                        .is_partial = !is_whole(upkeep) };

    count_sweep(upkeep, &result);
    tell(upkeep->served, &result);
    upkeep->served = NULL;
    if (upkeep->is_besides) {
        upkeep->stage = upkeep->before;
    } else if (result.is_partial) {      /* nothing is forgotten; later, again */
        rest(upkeep, now_ms);
    } else {
        upkeep->walk_stale = upkeep->has_walk ? upkeep->walk.oldest_stale : UINT64_MAX;
        arrivals_turn(upkeep->upkept.arrivals);
        upkeep->stage = STAGE_AFTER;
    }
}

/* ---- rounds ---- */

static bool is_asked(struct upkeep *upkeep)
{
    bool is_asked;

    pthread_mutex_lock(&upkeep->lock);
    is_asked = upkeep->asked != NULL;
    pthread_mutex_unlock(&upkeep->lock);
    return is_asked;
}

static void round_begin(struct upkeep *upkeep, int64_t now_ms)
{
    upkeep->covered = purges_newest(upkeep->upkept.purges);
    upkeep->began_ms = now_ms;
    upkeep->poll_ms = POLL_MS;
    arrivals_turn(upkeep->upkept.arrivals);
    upkeep->stage = STAGE_BEFORE;
}

static void round_end(struct upkeep *upkeep, int64_t now_ms)
{
    uint64_t soft = memory_oldest_stale(upkeep->upkept.memory);

    soft = upkeep->walk_stale < soft ? upkeep->walk_stale : soft;
    soft = upkeep->covered < soft ? upkeep->covered : soft;
    purges_forget(upkeep->upkept.purges, upkeep->covered, soft);
    rest(upkeep, now_ms);
}

/* When a round begins the generation before it is over: the last one has waited for it, or has not
 * begun another. */
static void advance(struct upkeep *upkeep, int64_t now_ms)
{
    const bool are_past = arrivals_are_past(upkeep->upkept.arrivals);

    switch (upkeep->stage) {
    case STAGE_IDLE:
        if (is_asked(upkeep) || (now_ms >= upkeep->rest_until_ms && is_book_long(upkeep)))
            round_begin(upkeep, now_ms);
        break;
    case STAGE_BEFORE:
        if (are_past || (is_asked(upkeep) && now_ms - upkeep->began_ms >= PATIENCE_MS))
            sweep_begin(upkeep, !are_past);
        break;
    case STAGE_SWEEPING:
        if (is_swept(upkeep))
            sweep_end(upkeep, now_ms);
        break;
    case STAGE_AFTER:
        if (are_past)
            round_end(upkeep, now_ms);
        else if (is_asked(upkeep))
            sweep_begin(upkeep, true);
        break;
    }
}

/* As far as it goes without waiting. */
static void advance_all(struct upkeep *upkeep)
{
    enum stage former;

    do {
        former = upkeep->stage;
        advance(upkeep, clock_mono_ms());
    } while (upkeep->stage != former);
}

/* ---- what nobody asks for ---- */

static int64_t tick_ms_of(int64_t inactive_ms)
{
    int64_t tick_ms = inactive_ms / TICKS;

    return inactive_ms > 0 && tick_ms < TICK_LEAST_MS ? TICK_LEAST_MS : tick_ms;
}

void upkeep_set_inactive(struct upkeep *upkeep, int64_t inactive_ms)
{
    int64_t tick_ms = tick_ms_of(inactive_ms);

    pthread_mutex_lock(&upkeep->lock);
    if (tick_ms != upkeep->tick_ms) {
        upkeep->tick_ms = tick_ms;
        wake(upkeep);
    }
    pthread_mutex_unlock(&upkeep->lock);
}

static int64_t tick_ms(struct upkeep *upkeep)
{
    int64_t tick_ms;

    pthread_mutex_lock(&upkeep->lock);
    tick_ms = upkeep->tick_ms;
    pthread_mutex_unlock(&upkeep->lock);
    return tick_ms;
}

/* When a tick is due, or has become shorter than what is left of this one. */
static void tick(struct upkeep *upkeep, int64_t now_ms)
{
    int64_t  length_ms = tick_ms(upkeep);
    uint64_t dropped;

    if (length_ms == 0)
        return;
    if (upkeep->next_tick_ms == 0 || upkeep->next_tick_ms > now_ms + length_ms)
        upkeep->next_tick_ms = now_ms + length_ms;
    if (now_ms < upkeep->next_tick_ms)
        return;
    upkeep->next_tick_ms = now_ms + length_ms;
    memory_tick(upkeep->upkept.memory);
    if (upkeep->upkept.disk != NULL)     /* so that it keeps what only memory is asked for */
        memory_note_used(upkeep->upkept.memory);
    dropped = memory_drop_idle(upkeep->upkept.memory, TICKS);
    pthread_mutex_lock(&upkeep->lock);
    upkeep->figures.idle += dropped;
    pthread_mutex_unlock(&upkeep->lock);
}

/* ---- the thread ---- */

/* So long nothing happens by itself; -1: never. */
static int64_t pause_ms(struct upkeep *upkeep, int64_t now_ms)
{
    int64_t pause = upkeep->upkept.disk != NULL ? COUNT_MS : -1, other;

    if (upkeep->next_tick_ms != 0) {
        other = upkeep->next_tick_ms > now_ms ? upkeep->next_tick_ms - now_ms : 0;
        pause = pause < 0 || other < pause ? other : pause;
    }
    if (upkeep->stage == STAGE_BEFORE || upkeep->stage == STAGE_AFTER) {
        pause = pause < 0 || upkeep->poll_ms < pause ? upkeep->poll_ms : pause;
        upkeep->poll_ms = upkeep->poll_ms * 2 < POLL_MOST_MS ? upkeep->poll_ms * 2 : POLL_MOST_MS;
    } else if (upkeep->stage == STAGE_IDLE && now_ms < upkeep->rest_until_ms) {
        other = upkeep->rest_until_ms - now_ms;
        pause = pause < 0 || other < pause ? other : pause;
    }
    return pause;
}

static struct timespec deadline_after(int64_t ms)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

/* False: it is over. */
static bool wait_for_news(struct upkeep *upkeep, int64_t pause)
{
    struct timespec deadline = deadline_after(pause);
    bool            is_closing;

    pthread_mutex_lock(&upkeep->lock);
    while (!upkeep->has_news && !upkeep->is_closing)
        if (pause < 0)
            pthread_cond_wait(&upkeep->news, &upkeep->lock);
        else if (pthread_cond_timedwait(&upkeep->news, &upkeep->lock, &deadline) != 0)
            break;
    upkeep->has_news = false;
    is_closing = upkeep->is_closing;
    pthread_mutex_unlock(&upkeep->lock);
    return !is_closing;
}

/* A walk that is under way is broken off; who waits is told. */
static void finish(struct upkeep *upkeep)
{
    const struct cache_sweep none = { .is_partial = true };

    atomic_store(&upkeep->walk.is_cancelled, true);
    pthread_mutex_lock(&upkeep->lock);
    while (upkeep->stage == STAGE_SWEEPING && upkeep->has_walk && !upkeep->is_walked)
        pthread_cond_wait(&upkeep->news, &upkeep->lock);
    pthread_mutex_unlock(&upkeep->lock);
    tell(upkeep->served, &none);
    tell(upkeep->asked, &none);
}

static void *run(void *arg)
{
    struct upkeep *upkeep = arg;
    sigset_t       all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    do {
        memory_set_beside(upkeep->upkept.memory, upkeep->upkept.beside(upkeep->upkept.arg));
        advance_all(upkeep);
        tick(upkeep, clock_mono_ms());
    } while (wait_for_news(upkeep, pause_ms(upkeep, clock_mono_ms())));
    finish(upkeep);
    pools_drain();
    return NULL;
}

/* ---- life ---- */

struct upkeep *upkeep_new(const struct upkept *upkept, int64_t inactive_ms)
{
    struct upkeep     *upkeep = mem_new(sizeof(*upkeep));
    pthread_condattr_t attributes;

    upkeep->upkept = *upkept;
    upkeep->tick_ms = tick_ms_of(inactive_ms);
    pthread_mutex_init(&upkeep->lock, NULL);
    pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&upkeep->news, &attributes);
    pthread_condattr_destroy(&attributes);
    upkeep->has_thread = pthread_create(&upkeep->thread, NULL, run, upkeep) == 0;
    if (!upkeep->has_thread)
        log_at(LOG_ERROR, NULL, "cache \"%.*s\": no thread for its upkeep",
               TEXT_ARGS(upkept->name));
    return upkeep;
}

void upkeep_free(struct upkeep **upkeep)
{
    struct upkeep *dead = *upkeep;

    *upkeep = NULL;
    pthread_mutex_lock(&dead->lock);
    dead->is_closing = true;
    wake(dead);
    pthread_mutex_unlock(&dead->lock);
    if (dead->has_thread)
        (void)pthread_join(dead->thread, NULL);
    pthread_cond_destroy(&dead->news);
    pthread_mutex_destroy(&dead->lock);
    mem_free(dead);
}

void upkeep_note_purge(struct upkeep *upkeep)
{
    if (!is_book_long(upkeep))
        return;
    pthread_mutex_lock(&upkeep->lock);
    wake(upkeep);
    pthread_mutex_unlock(&upkeep->lock);
}

struct upkeep_figures upkeep_figures(struct upkeep *upkeep)
{
    struct upkeep_figures figures;

    pthread_mutex_lock(&upkeep->lock);
    figures = upkeep->figures;
    pthread_mutex_unlock(&upkeep->lock);
    return figures;
}
