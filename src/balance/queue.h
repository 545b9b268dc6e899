// SPDX-License-Identifier: MIT
/* Who is next: the order of those who wait for a place at one of a group's peers. Pure: no lock, no
 * I/O, and the time is passed in. Owner: the group, under its lock (balance/wait.c).
 *
 * There is a line for each key (a host, if nothing else is said), and lines are served in turn, so that
 * one host's crowd costs the others no more than one turn. While a line has been empty of late, its
 * oldest is next. Once it has not been empty for `interval_ms`, more comes than can be served: then
 * nobody in it waits longer than `target_ms`, and its newest is next, whose client is most likely still
 * there (CoDel's rule, in each line as in fq_codel: RFC 8289, RFC 8290). */
#ifndef BALANCE_QUEUE_H
#define BALANCE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum { QUEUE_SIZES = 32 };

struct queue_limits {
    uint32_t most;                       /* who may wait, of all keys; 0: nobody */
    uint32_t timeout_ms;                 /* how long, while there is no crowd */
    uint32_t target_ms, interval_ms;     /* target_ms 0: the timeout always holds */
};

/* One who waits. Owner: struct wait. */
struct waiter {
    struct link  link;                   /* in its line, oldest first */
    struct line *line;                   /* NULL: does not wait */
    int64_t      since_ms;
};

struct queue {
    struct queue_limits limits;
    unsigned            count;
    int64_t             busy_since_ms;   /* while count > 0: since when anybody has waited */
    struct link         turns;           /* lines: who is served next first */
    struct link         sizes[QUEUE_SIZES];   /* lines of 1, of 2..3, of 4..7, .. waiters */
    struct link        *table;           /* lines by their key; NULL: none has ever waited */
};

void queue_init(struct queue *queue);
void queue_done(struct queue *queue);

/* At the end of its key's line. False: there is no room for it. When the queue is full, who would be
 * served last in the longest line (to within a factor of two) gives way, *ret_loser, no longer queued:
 * the newest, or in a crowd the oldest. If that is the newcomer itself, it is refused. */
bool queue_add(struct queue *queue, struct waiter *waiter, uint64_t key, int64_t now_ms,
               struct waiter **ret_loser);
/* It waits no more; harmless if it does not wait. */
void queue_drop(struct queue *queue, struct waiter *waiter);
/* The same because it was served: its line's next turn comes after all others'. */
void queue_serve(struct queue *queue, struct waiter *waiter);

/* Who is next, and who would be if that one could not be served; NULL: nobody. */
struct waiter *queue_first(const struct queue *queue, int64_t now_ms);
struct waiter *queue_after(const struct queue *queue, const struct waiter *waiter, int64_t now_ms);

/* Of its line more comes than can be served. */
bool    queue_is_crowded(const struct queue *queue, const struct waiter *waiter, int64_t now_ms);
/* How long it has waited, or had when it was served. */
int64_t queue_waited_ms(const struct waiter *waiter, int64_t now_ms);
/* When its waiting is over. */
int64_t queue_until_ms(const struct queue *queue, const struct waiter *waiter, int64_t now_ms);
/* The same, or earlier: when a crowd might have shortened it. */
int64_t queue_look_ms(const struct queue *queue, const struct waiter *waiter, int64_t now_ms);

#endif
