// SPDX-License-Identifier: MIT
/* Deadlines: a 4-ary heap per loop, with lazy moves.
 *
 * A deadline that only moves later costs one store: the heap keeps the old key and looks again when
 * that comes up. This is what connections do all the time (every request renews a timeout), so a
 * wheel's slots are not needed. Owner: whoever embeds the timer; one loop. */
#ifndef NET_TIMER_H
#define NET_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/task.h"

enum { TIMER_OFF = 0 };

struct timer {
    int64_t      deadline_ms;            /* TIMER_OFF: does not fire */
    int64_t      key_ms;                 /* where it stands in the heap, never later than deadline */
    uint32_t     place;                  /* in the heap plus 1; 0: not in it */
    struct task *task;                   /* woken with WAKE_DEADLINE */
};

struct timers {
    struct timer **heap;
    uint32_t       count, capacity;
};

void timer_init(struct timer *timer, struct task *task);
void timer_set(struct timers *timers, struct timer *timer, int64_t deadline_ms);
/* Does not fire, but stays in the heap until its key comes up or timer_remove(). */
void timer_stop(struct timer *timer);
/* Out of the heap: before its owner is buried. */
void timer_remove(struct timers *timers, struct timer *timer);

/* Wakes what is due. */
void    timers_fire(struct timers *timers, int64_t now_ms);
/* When to look again, or -1. */
int64_t timers_next_ms(const struct timers *timers);
void    timers_done(struct timers *timers);

#endif
