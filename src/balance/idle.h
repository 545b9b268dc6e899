// SPDX-License-Identifier: MIT
/* Idle connections to peers, per loop.
 *
 * A connection at rest is watched by its loop, so a peer that closes is noticed; taking one checks
 * that nothing has come in since. The oldest goes when an upstream has more than `keepalive` of them
 * on a loop. */
#ifndef BALANCE_IDLE_H
#define BALANCE_IDLE_H

#include "balance/group.h"
#include "http/h1_codec.h"

/* A connection to a peer: at rest in its peer's list, or in use by one connector. */
struct peer_conn {
    struct conn      *conn;
    struct codec     *codec;
    struct peer      *peer;              /* referenced */
    struct loop      *loop;
    struct connector *user;              /* NULL at rest */
    int               error;             /* -errno that ended it */
    struct link   link;                  /* in peer->idle[loop], newest first */
    struct link   age_link;              /* in the loop's list of this group, newest first */
    struct link   loop_link;             /* in the loop's list of all groups, newest first */
    struct task   task;                  /* woken when the conn ends while at rest */
    int64_t       made_ms;
    unsigned      served;                /* messages so far */
    struct corpse corpse;
};

/* Newest first, checked alive; NULL: none. */
struct peer_conn *idle_take(struct loop *loop, struct peer *peer);
/* Takes it: rests, or is closed when the upstream's keepalive says so. */
void              idle_give(struct loop *loop, const struct upstream *upstream,
                            struct peer_conn *peer_conn);
/* Closes the calling thread's oldest ones of all groups; returns how many. */
unsigned          idle_close_oldest(struct loop *loop, unsigned most);
/* No longer at rest: taken out of the lists. */
void              idle_leave(struct loop *loop, struct peer_conn *peer_conn);

#endif
