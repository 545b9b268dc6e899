// SPDX-License-Identifier: MIT
/* The deadline heap: 4 children per node, keys never later than the deadlines they stand for. */
#include "net/timer.h"

#include "base/mem.h"
#include "base/must.h"

enum { CHILDREN = 4, FIRST_CAPACITY = 64 };

static void heap_up(struct timers *timers, uint32_t at);
static void heap_down(struct timers *timers, uint32_t at);

void timer_init(struct timer *timer, struct task *task)
{
    *timer = (struct timer){ .task = task };
}

static void heap_put(struct timers *timers, uint32_t at, struct timer *timer)
{
    timers->heap[at] = timer;
    timer->place = at + 1;
}

static void heap_add(struct timers *timers, struct timer *timer)
{
    if (timers->count == timers->capacity) {
        timers->capacity = timers->capacity == 0 ? FIRST_CAPACITY : timers->capacity * 2;
        timers->heap = mem_resize(timers->heap, timers->capacity * sizeof(timers->heap[0]));
    }
    heap_put(timers, timers->count++, timer);
    heap_up(timers, timer->place - 1);
}

void timer_set(struct timers *timers, struct timer *timer, int64_t deadline_ms)
{
    must(deadline_ms > TIMER_OFF);
    timer->deadline_ms = deadline_ms;
    if (timer->place == 0) {
        timer->key_ms = deadline_ms;
        heap_add(timers, timer);
    } else if (deadline_ms < timer->key_ms) {
        timer->key_ms = deadline_ms;
        heap_up(timers, timer->place - 1);
    }
}

void timer_stop(struct timer *timer)
{
    timer->deadline_ms = TIMER_OFF;
}

void timer_remove(struct timers *timers, struct timer *timer)
{
    uint32_t at = timer->place - 1;

    timer->deadline_ms = TIMER_OFF;
    if (timer->place == 0)
        return;
    timer->place = 0;
    timers->count--;
    if (at == timers->count)
        return;
    struct timer *moved = timers->heap[timers->count];
    heap_put(timers, at, moved);
    heap_up(timers, at);
    heap_down(timers, moved->place - 1);
}

void timers_fire(struct timers *timers, int64_t now_ms)
{
    while (timers->count > 0 && timers->heap[0]->key_ms <= now_ms) {
        struct timer *timer = timers->heap[0];

        if (timer->deadline_ms > now_ms) {
            timer->key_ms = timer->deadline_ms;
            heap_down(timers, 0);
            continue;
        }
        bool is_on = timer->deadline_ms != TIMER_OFF;
        timer_remove(timers, timer);
        if (is_on)
            task_wake(timer->task, WAKE_DEADLINE);
    }
}

int64_t timers_next_ms(const struct timers *timers)
{
    return timers->count == 0 ? -1 : timers->heap[0]->key_ms;
}

void timers_done(struct timers *timers)
{
    MEM_FREE(&timers->heap);
    timers->count = timers->capacity = 0;
}

static void heap_up(struct timers *timers, uint32_t at)
{
    struct timer *timer = timers->heap[at];

    while (at > 0) {
        uint32_t above = (at - 1) / CHILDREN;

        if (timers->heap[above]->key_ms <= timer->key_ms)
            break;
        heap_put(timers, at, timers->heap[above]);
        at = above;
    }
    heap_put(timers, at, timer);
}

static void heap_down(struct timers *timers, uint32_t at)
{
    struct timer *timer = timers->heap[at];

    for (;;) {
        uint32_t first = at * CHILDREN + 1, least = first;

        if (first >= timers->count)
            break;
        for (uint32_t i = first + 1; i < first + CHILDREN && i < timers->count; i++)
            if (timers->heap[i]->key_ms < timers->heap[least]->key_ms)
                least = i;
        if (timers->heap[least]->key_ms >= timer->key_ms)
            break;
        heap_put(timers, at, timers->heap[least]);
        at = least;
    }
    heap_put(timers, at, timer);
}
