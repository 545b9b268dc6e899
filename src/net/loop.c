// SPDX-License-Identifier: MIT
/* The loop's turn, and what happens in it. Readiness comes from epoll, edge triggered: whoever is
 * woken tries first and waits only after EAGAIN, so a connection costs one epoll_ctl in its life. */
#include "net/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <threads.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/pool.h"
#include "base/shortage.h"
#include "net/lane.h"
#include "net/pin.h"
#include "net/pressure.h"
#include "net/task_queue.h"

enum {
    EVENTS_PER_POLL = 512,
    TASKS_PER_ARRIVAL = 64,   /* what one wake may set off before others get their turn */
    ARRIVALS_PER_TURN = 1024, /* then the poller is looked at again */
    FLUSH_BYTES = 64 * 1024,  /* read since the last flush: write before they leave the cache, */
    FLUSH_ARRIVALS = 16,      /* and so before too many requests have been worked on */
    ROUNDS_PER_TURN = 8,      /* of tasks and flushes, while flushing wakes more tasks */
    SHORT_READ_BYTES = 16 * 1024,   /* while memory is short */
    LOCALS_MOST = 8
};

struct local {
    const void *key;
    void       *value;
};

struct loop {
    unsigned              number;
    int                   epoll_fd, letter_fd, alarm_fd;
    bool                  is_stopping, has_more;
    int64_t               now_us, wall_ms;
    struct timers         timers;
    struct link           flushes;
    struct corpse        *corpses, *waiting_corpses;
    struct task           burial;         /* runs when what was queued before it has run */
    struct block         *read_block;
    uint32_t              read_start, unflushed;
    int64_t               alarm_ms;       /* when alarm_fd rings; 0: it is not set */
    struct watch          letter_watch, alarm_watch;
    struct task           letter_task, alarm_task;
    _Atomic(struct task_queue *) queue;   /* of the thread that runs the loop */
    struct local          locals[LOCALS_MOST];
    _Atomic(struct letter *) letters;
    atomic_bool           is_asleep;      /* a poster must ring the bell */
    atomic_ullong         turns;
    struct epoll_event    events[EVENTS_PER_POLL];
};

static thread_local struct loop *self;

static void loop_turn(struct loop *loop);
static void letters_ring(struct task *task, unsigned wakes);
static void alarm_rang(struct task *task, unsigned wakes);
static void burial_run(struct task *task, unsigned wakes);
static void corpses_release(struct corpse **corpses);

struct loop *loop_new(unsigned number)
{
    struct loop *loop = mem_new(sizeof(*loop));

    must(number < LOOPS_MOST);
    loop->number = number;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->letter_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    must(loop->epoll_fd >= 0 && loop->letter_fd >= 0 && loop->alarm_fd >= 0);
    list_init(&loop->flushes);
    task_init(&loop->letter_task, letters_ring);
    loop->letter_watch = (struct watch){ .fd = loop->letter_fd, .task = &loop->letter_task };
    must(loop_watch(loop, &loop->letter_watch, false) == 0);
    task_init(&loop->burial, burial_run);
    task_init(&loop->alarm_task, alarm_rang);
    loop->alarm_watch = (struct watch){ .fd = loop->alarm_fd, .task = &loop->alarm_task };
    must(loop_watch(loop, &loop->alarm_watch, false) == 0);
    loop->now_us = clock_mono_us();
    loop->wall_ms = clock_wall_ms();
    return loop;
}

void loop_free(struct loop **loop)
{
    struct loop *dead = *loop;

    if (dead == NULL)
        return;
    *loop = NULL;
    if (dead->read_block != NULL)
        block_unref(dead->read_block);
    timers_done(&dead->timers);
    (void)close(dead->letter_fd);
    (void)close(dead->alarm_fd);
    (void)close(dead->epoll_fd);
    mem_free(dead);
}

void loop_run(struct loop *loop)
{
    self = loop;
    atomic_store(&loop->queue, task_queue_self());
    loop->now_us = clock_mono_us();   /* it may have been made long ago */
    while (!loop->is_stopping)
        loop_turn(loop);
    atomic_store(&loop->queue, NULL);
    task_cancel(&loop->burial);
    corpses_release(&loop->waiting_corpses);
    corpses_release(&loop->corpses);
    self = NULL;
    lanes_drain();
    pools_drain();
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
}

struct loop *loop_self(void)
{
    return self;
}

unsigned loop_number(const struct loop *loop)
{
    return loop->number;
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_us / 1000;
}

int64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

int64_t loop_wall_ms(const struct loop *loop)
{
    return loop->wall_ms;
}

struct timers *loop_timers(struct loop *loop)
{
    return &loop->timers;
}

uint64_t loop_turns(const struct loop *loop)
{
    return atomic_load_explicit(&loop->turns, memory_order_relaxed);
}

const struct task *loop_running(const struct loop *loop)
{
    const struct task_queue *queue = atomic_load(&loop->queue);

    return queue == NULL ? NULL : atomic_load_explicit(&queue->running, memory_order_relaxed);
}

/* ---- the turn ---- */

static unsigned wakes_of(uint32_t events)
{
    unsigned wakes = 0;

    if (events & EPOLLIN)
        wakes |= WAKE_READABLE;
    if (events & EPOLLOUT)
        wakes |= WAKE_WRITABLE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        wakes |= WAKE_READABLE | WAKE_WRITABLE | WAKE_HANGUP;
    if (events & EPOLLERR)
        wakes |= WAKE_FAULT;
    return wakes;
}

/* The next deadline goes to a timer descriptor, which is set again only when an earlier one comes
 * up. A timeout for epoll_wait() would have the kernel start and cancel a timer in every turn. */
static void alarm_set(struct loop *loop, int64_t next_ms)
{
    struct itimerspec when = { .it_value = { .tv_sec = next_ms / 1000,
                                             .tv_nsec = next_ms % 1000 * 1000000 } };

    if (next_ms < 0 || (loop->alarm_ms > 0 && loop->alarm_ms <= next_ms))
        return;
    loop->alarm_ms = next_ms;
    must(timerfd_settime(loop->alarm_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

static void alarm_rang(struct task *task, unsigned wakes)
{
    struct loop *loop = container_of(task, struct loop, alarm_task);
    uint64_t     count;

    (void)wakes;
    (void)!read(loop->alarm_fd, &count, sizeof(count));
    loop->alarm_ms = 0;
}

/* 0: there is work; -1: until something happens. */
static int poll_timeout(struct loop *loop)
{
    int64_t next_ms = timers_next_ms(&loop->timers);

    if (loop->has_more || (next_ms >= 0 && next_ms <= loop_now_ms(loop)))
        return 0;
    alarm_set(loop, next_ms);
    return -1;
}

/* The turn before took from `began_us` until we slept at `asleep_us` (0: we did not), or until now.
 * Who sleeps is late when the alarm was. */
static void lag_note(int64_t began_us, int64_t asleep_us, int64_t alarm_ms, int64_t now_us)
{
    int64_t lag_us = (asleep_us > 0 ? asleep_us : now_us) - began_us;

    if (asleep_us > 0 && alarm_ms > 0 && now_us - alarm_ms * 1000 > lag_us)
        lag_us = now_us - alarm_ms * 1000;
    pressure_turn(lag_us, now_us);
}

static void poller_wait(struct loop *loop)
{
    int     timeout_ms = poll_timeout(loop), count;
    int64_t began_us = loop->now_us, asleep_us = 0;

    if (timeout_ms != 0) {
        atomic_store(&loop->is_asleep, true);
        if (atomic_load(&loop->letters) != NULL)
            timeout_ms = 0;
    }
    if (timeout_ms != 0)
        asleep_us = clock_mono_us();
    count = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_POLL, timeout_ms);
    atomic_store_explicit(&loop->is_asleep, false, memory_order_relaxed);
    must(count >= 0 || errno == EINTR);
    loop->now_us = clock_mono_us();
    loop->wall_ms = clock_wall_ms();
    lag_note(began_us, asleep_us, loop->alarm_ms, loop->now_us);
    for (int i = 0; i < count; i++)
        __builtin_prefetch(loop->events[i].data.ptr);
    for (int i = 0; i < count; i++) {
        struct watch *watch = loop->events[i].data.ptr;

        task_wake(watch->task, wakes_of(loop->events[i].events));
    }
}

static void letters_open(struct loop *loop)
{
    struct letter *newest, *oldest = NULL;

    if (atomic_load_explicit(&loop->letters, memory_order_relaxed) == NULL)
        return;
    newest = atomic_exchange(&loop->letters, NULL);
    while (newest != NULL) {
        struct letter *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct letter *letter = oldest;

        oldest = letter->next;
        letter->open(loop, letter);
    }
}

static void flushes_run(struct loop *loop)
{
    loop->unflushed = 0;
    while (!list_is_empty(&loop->flushes)) {
        struct flush *flush = container_of(loop->flushes.next, struct flush, link);

        list_remove(&flush->link);
        flush->run(flush);
    }
}

static void corpses_release(struct corpse **corpses)
{
    while (*corpses != NULL) {
        struct corpse *corpse = *corpses;

        *corpses = corpse->next;
        corpse->release(corpse);
    }
}

static void burial_run(struct task *task, unsigned wakes)
{
    (void)wakes;
    corpses_release(&container_of(task, struct loop, burial)->waiting_corpses);
}

/* A turn under load may end with tasks still queued, among them those that tell owners that their
 * objects are dead. The dead then wait until these tasks have run. */
static void corpses_bury(struct loop *loop)
{
    if (!loop->has_more) {
        corpses_release(&loop->corpses);
    } else if (loop->waiting_corpses == NULL && loop->corpses != NULL) {
        loop->waiting_corpses = loop->corpses;
        loop->corpses = NULL;
        task_wake_last(&loop->burial, WAKE_END);
    }
}

/* One gathered write per conn that has output, at the end; earlier when much has been read or worked
 * on, since all is cheapest while it is in the cache. */
static void tasks_run(struct loop *loop, struct task_queue *queue)
{
    for (int i = 1; i <= ARRIVALS_PER_TURN && task_queue_run(queue, TASKS_PER_ARRIVAL); i++)
        if (loop->unflushed >= FLUSH_BYTES || i % FLUSH_ARRIVALS == 0)
            flushes_run(loop);
    flushes_run(loop);
}

static void loop_turn(struct loop *loop)
{
    struct task_queue *queue = task_queue_self();

    poller_wait(loop);                        /* readiness -> tasks woken */
    letters_open(loop);                       /* threads   -> tasks woken */
    timers_fire(&loop->timers, loop_now_ms(loop));
    task_queue_renew(queue);
    for (int round = 0; round < ROUNDS_PER_TURN; round++) {
        tasks_run(loop, queue);               /* conns read and decode, exchanges take steps */
        if (task_queue_is_empty(queue))
            break;
    }
    task_note_running(NULL);                  /* it may be among the dead */
    loop->has_more = !task_queue_is_empty(queue) || task_queue_has_later(queue);
    corpses_bury(loop);                       /* the only place where live objects are freed */
    pins_note_quiet(loop);                    /* retired configurations may go */
    atomic_fetch_add_explicit(&loop->turns, 1, memory_order_relaxed);
}

/* ---- what the turn works on ---- */

void loop_bury(struct loop *loop, struct corpse *corpse)
{
    corpse->next = loop->corpses;
    loop->corpses = corpse;
}

void loop_flush_later(struct loop *loop, struct flush *flush)
{
    if (!list_is_linked(&flush->link))
        list_append(&loop->flushes, &flush->link);
}

static int poller_tell(struct loop *loop, int operation, struct watch *watch, bool is_shared)
{
    struct epoll_event event = {
        .events = is_shared ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = watch,
    };

    return epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int loop_watch(struct loop *loop, struct watch *watch, bool is_shared)
{
    return poller_tell(loop, EPOLL_CTL_ADD, watch, is_shared);
}

int loop_rewatch(struct loop *loop, struct watch *watch)
{
    return poller_tell(loop, EPOLL_CTL_MOD, watch, false);
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
}

struct block *loop_read_room(struct loop *loop, uint32_t *ret_start, uint32_t *ret_room)
{
    if (loop->read_block != NULL && !block_is_shared(loop->read_block))
        loop->read_start = 0;
    if (loop->read_block == NULL || loop->read_start > BLOCK_SIZE / 2) {
        if (loop->read_block != NULL)
            block_unref(loop->read_block);
        loop->read_block = block_try();
        loop->read_start = 0;
    }
    *ret_start = loop->read_start;
    *ret_room = shortage_now() == 0 ? BLOCK_SIZE - loop->read_start : SHORT_READ_BYTES;
    return loop->read_block;
}

struct slice loop_read_used(struct loop *loop, uint32_t len)
{
    struct slice slice = slice_of(loop->read_block, loop->read_start, len);

    loop->read_start += len;
    loop->unflushed += len;
    return slice;
}

void *loop_local(struct loop *loop, const void *key)
{
    for (int i = 0; i < LOCALS_MOST; i++)
        if (loop->locals[i].key == key)
            return loop->locals[i].value;
    return NULL;
}

void loop_local_set(struct loop *loop, const void *key, void *value)
{
    for (int i = 0; i < LOCALS_MOST; i++)
        if (loop->locals[i].key == key || loop->locals[i].key == NULL) {
            loop->locals[i] = (struct local){ .key = key, .value = value };
            return;
        }
    must(!"loop_local_set: table is full");
}

/* ---- mailbox ---- */

static void letters_ring(struct task *task, unsigned wakes)
{
    struct loop *loop = container_of(task, struct loop, letter_task);
    uint64_t     count;

    (void)wakes;
    (void)!read(loop->letter_fd, &count, sizeof(count));
}

void mailbox_post(struct loop *to, struct letter *letter)
{
    const uint64_t one = 1;

    letter->next = atomic_load_explicit(&to->letters, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&to->letters, &letter->next, letter)) {
    }
    /* Pairs with poller_wait(): either it sees the letter, or we see that it sleeps. */
    if (atomic_exchange(&to->is_asleep, false))
        (void)!write(to->letter_fd, &one, sizeof(one));
}
