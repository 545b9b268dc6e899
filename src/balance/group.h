// SPDX-License-Identifier: MIT
/* The living side of an upstream: its peers with their counters, shared by all loops and kept over
 * reloads (a zone, found again by the upstream's name).
 *
 * A group's lock guards the list of peers and the round-robin state; it is held for a pick and never
 * over I/O. Counters are atomics. Idle connections are per loop and need no lock (balance/idle.h). A
 * peer lives as long as its group lists it or somebody holds it (peer_ref), a group as long as a
 * snapshot names it or one of its peers lives. */
#ifndef BALANCE_GROUP_H
#define BALANCE_GROUP_H

#include <stdatomic.h>

#include "balance/upstream.h"
#include "base/list.h"
#include "net/loop.h"

struct group;

struct peer {
    struct peer    *next;                /* in its group's list */
    struct group   *group;
    struct address  address;
    struct text     name;                /* "127.0.0.1:3000": $upstream_addr, logs; owned */
    atomic_uint     refs;
    atomic_uint     in_flight;           /* exchanges, on all loops */
    atomic_uint     fails;               /* in a row; written under the group's lock */
    /* below: under the group's lock */
    unsigned        weight, max_conns, max_fails;
    uint32_t        fail_timeout_ms;
    bool            is_backup, is_down;
    int             effective_weight, current_weight;   /* smooth weighted round robin */
    int64_t         failed_ms, checked_ms;              /* clock_mono_ms(); 0: never */
    /* per loop, by loop_number(): idle connections, newest first */
    struct link     idle[LOOPS_MOST];
};

/* The group of that name, made if new, with its peers brought in line with `upstream` (matched by
 * address, counters kept); names that must be resolved are looked up on `control`'s job threads and
 * again later, until they resolve. Sets upstream->group. Control thread. */
void group_bind(struct upstream *upstream, struct loop *control);
/* The snapshot that bound it is gone. Control thread. */
void group_unbind(struct upstream *upstream);

struct peer *peer_ref(struct peer *peer);
void         peer_unref(struct peer **peer);

/* A loop's idle connections to all peers of a group, newest first (balance/idle.c). */
struct idle_list {
    struct link conns;
    uint32_t    count;
};
struct idle_list *group_idle(struct group *group, const struct loop *loop);

enum { PICK_TRIED_MOST = 8 };

/* What a pick wants to know. */
struct pick_ask {
    const struct peer *tried[PICK_TRIED_MOST];   /* not these again: the first of those tried */
    unsigned           tried_count;              /* all of them */
    int64_t            now_ms;
};

/* Why a pick found nobody. */
enum nobody {
    NOBODY_LIVE = 0,                     /* all down, failed, busy or tried */
    NOBODY_ASKING,                       /* no address yet: a name is being looked up */
    NOBODY_KNOWN                         /* no address: names did not resolve */
};

/* The quietest usable peer by the upstream's method, its in_flight already counted, referenced; NULL:
 * nobody, and *ret_nobody says why. Any loop. */
struct peer *group_pick(const struct upstream *upstream, const struct pick_ask *ask,
                        enum nobody *ret_nobody);
/* The exchange is over with this peer: uncounts and unrefs it. `is_failure` counts against
 * max_fails; a success after failures clears them. *ret_is_now_down: this failure made it so. */
void group_done(struct peer **peer, bool is_failure, bool *ret_is_now_down);
/* How many peers could be tried by one request (for "all tried"). */
unsigned group_peer_count(const struct upstream *upstream);

#endif
