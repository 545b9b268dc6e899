// SPDX-License-Identifier: MIT
/* Idle connections to peers: warm ones on a loop's stack, older ones on the shelf.
 *
 * A connection at rest is first watched by its loop, so a peer that closes is noticed at once, and
 * taking one costs nothing. After a tenth of a second, or when the loop has more than its share, it gives
 * up its conn and its codec and lies on the shelf (balance/shelf.h), where any loop may take it. A group
 * has at most `keepalive` such connections per loop, wherever they are; then the oldest goes.
 *
 * What there is to one of TLS or HTTP/2 cannot be given up: it stays on its loop, without buffers once it
 * is no longer warm, and each loop has at most `keepalive` of them per group. */
#ifndef BALANCE_IDLE_H
#define BALANCE_IDLE_H

#include "balance/peer_conn.h"

/* One of that identity, newest first, checked alive; NULL: this loop has none. */
struct peer_conn *idle_take(struct loop *loop, struct peer *peer, uint64_t identity);
/* Takes it: rests, or is closed when the upstream's keepalive says so. */
void              idle_give(struct loop *loop, const struct upstream *upstream,
                            struct peer_conn *peer_conn);
/* Closes the oldest ones of all groups, on the shelf or on the calling thread's loop; returns how
 * many. */
unsigned          idle_close_oldest(struct loop *loop, unsigned most);
/* Its conn has ended: no longer at rest, if it was. */
void              idle_ended(struct loop *loop, struct peer_conn *peer_conn);

#endif
