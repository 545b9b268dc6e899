// SPDX-License-Identifier: MIT
/* Waiting for a place: a request that finds all usable peers of its group full. A place that becomes
 * free is handed over under the group's lock, already counted, to whoever is next (balance/queue.h);
 * the news travels by letter to the loop of the one who waits.
 *
 * Owner: the asking exchange; while a letter travels it may be forgotten, and then gives back what it
 * was granted, so that no place is lost. */
#ifndef BALANCE_WAIT_H
#define BALANCE_WAIT_H

#include "balance/group.h"

struct wait;

enum wait_state {
    WAIT_QUEUED = 0,
    WAIT_GRANTED,                        /* wait_take() has the peer */
    WAIT_FULL,                           /* there was no room, or another one got it */
    WAIT_OVER,                           /* the time is over */
    WAIT_NOBODY                          /* nobody is left to wait for */
};

/* Joins the queue. `ask` and `task` are kept: neither moves nor changes until the end; `task` is woken
 * when the state has changed. `key` says in whose line. Never NULL. The task's loop. */
struct wait *wait_begin(const struct upstream *upstream, const struct pick_ask *ask, struct text key,
                        struct loop *loop, struct task *task);
/* How it stands; *ret_look_ms: when to ask again at the latest, while it is QUEUED. */
enum wait_state wait_poll(struct wait *wait, int64_t now_ms, int64_t *ret_look_ms);
/* GRANTED: the peer as by group_pick() at *ret_picked_ms. Frees the wait. */
struct peer *wait_take(struct wait **wait, int64_t *ret_picked_ms);
/* Leaves the queue, whatever the state; NULL is fine. */
void wait_cancel(struct wait **wait);

/* When it would be worth coming again, in whole seconds: the longer the crowd has lasted, the later. */
unsigned wait_retry_after_s(const struct upstream *upstream, int64_t now_ms);

#endif
