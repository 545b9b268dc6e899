// SPDX-License-Identifier: MIT
/* The living side of an upstream: its peers with their counters, shared by all loops and kept over
 * reloads (a zone, found again by the upstream's name).
 *
 * A group's lock guards the list of peers, their rosters and their health; it is held for a pick and
 * never over I/O. Counters are atomics. Idle connections are per loop and need no lock
 * (balance/idle.h). A group lives as long as a snapshot names it or one of its peers lives. */
#ifndef BALANCE_GROUP_H
#define BALANCE_GROUP_H

#include "balance/health.h"

struct group;

/* The group of that name, made if new, with its peers brought in line with `upstream` (matched by
 * address, counters kept); names that must be resolved are asked for on `control`, and again when
 * their time is over (balance/members.h). Sets upstream->group. Control thread. */
void group_bind(struct upstream *upstream, struct loop *control);
/* The snapshot that bound it is gone. Control thread. */
void group_unbind(struct upstream *upstream);

/* A loop's idle connections to all peers of a group, newest first (balance/idle.c). */
struct link *group_idle(struct group *group, const struct loop *loop);

/* Why a pick found nobody. */
enum nobody {
    NOBODY_LIVE = 0,                     /* all down, failed, busy or tried */
    NOBODY_ASKING,                       /* no address yet: a name is being looked up */
    NOBODY_KNOWN,                        /* no address: names did not resolve */
    NOBODY_FREE                          /* all that are up are full, or others wait for them: may wait */
};

/* A usable peer by the upstream's method, its in_flight already counted, referenced; NULL: nobody,
 * and *ret_nobody says why. Any loop. */
struct peer *group_pick(const struct upstream *upstream, const struct pick_ask *ask,
                        enum nobody *ret_nobody);
/* The same peer once more, counted and referenced as by group_pick(): for another connection. It was
 * picked at picked_ms. */
struct peer *group_pick_again(struct peer *peer, int64_t picked_ms);
/* The head of the peer's answer has come; the rest of `ending` is not known yet. */
void group_head(struct peer *peer, const struct ending *ending);
/* The exchange is over with this peer: uncounts and unrefs it. A failure counts against max_fails; a
 * success after failures clears them. *ret_is_now_down: this failure made it so. */
void group_done(struct peer **peer, const struct ending *ending, bool *ret_is_now_down);
/* What a client that is bound to the peer knows it by. */
struct identity group_identity(struct peer *peer);
/* How many peers one request may try (for "all tried"): those that it has tried, and those that are
 * neither down nor unhealthy; who has failed counts, as in nginx. */
unsigned group_peer_count(const struct upstream *upstream, const struct pick_ask *ask);

/* The answer of that peer took so long to begin; and in what time so many per cent do, of those that
 * were noted; 0: too few were. */
void    group_note_head(struct peer *peer, int64_t us);
int64_t group_head_percentile_us(const struct upstream *upstream, unsigned percent);

/* Counts one more retry in flight (upstream->retry_percent, retry_least); false: that is too many. */
bool group_retry_begin(const struct upstream *upstream);
void group_retry_end(const struct upstream *upstream);
/* For those who look on (balance/figures.h). Any loop. */
enum group_event { GROUP_RETRIED = 0, GROUP_RETRY_REFUSED, GROUP_HEDGED, GROUP_EVENTS };
void group_note(const struct upstream *upstream, enum group_event event);
/* The peer was picked at picked_ms, is being connected to, and known to be unreachable by now. */
bool group_is_lost(struct peer *peer, int64_t picked_ms);
/* That peer would be asked again: it has not been taken out by its failures. */
bool group_is_in_service(struct peer *peer);

#endif
