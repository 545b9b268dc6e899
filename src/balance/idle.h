// SPDX-License-Identifier: MIT
/* Idle connections to peers: warm ones on a loop's stack, older ones on the shelf.
 *
 * A connection at rest is first watched by its loop, so a peer that closes is noticed at once, and
 * taking one costs nothing. After a tenth of a second, or when the loop has more than its share, it gives
 * up its conn and its codec and lies on the shelf (balance/shelf.h), where any loop may take it. A group has at most `keepalive` idle connections per
 * loop, wherever they are; then the oldest goes. */
#ifndef BALANCE_IDLE_H
#define BALANCE_IDLE_H

#include "balance/group.h"
#include "http/codec.h"

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
    int64_t       made_ms, rested_ms;
    int64_t       until_ms;              /* when its rest is over */
    unsigned      served;                /* messages so far */
    struct corpse corpse;
};

/* Newest first, checked alive; NULL: this loop has none. */
struct peer_conn *idle_take(struct loop *loop, struct peer *peer);
/* Takes it: rests, or is closed when the upstream's keepalive says so. */
void              idle_give(struct loop *loop, const struct upstream *upstream,
                            struct peer_conn *peer_conn);
/* Closes the oldest ones of all groups, on the shelf or on the calling thread's loop; returns how
 * many. */
unsigned          idle_close_oldest(struct loop *loop, unsigned most);
/* Its conn has ended: no longer at rest, if it was. */
void              idle_ended(struct loop *loop, struct peer_conn *peer_conn);

#endif
