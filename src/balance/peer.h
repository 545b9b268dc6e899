// SPDX-License-Identifier: MIT
/* One server of a group, alive: its address and its counters, shared by all loops.
 *
 * Owner: its group, the exchanges that use it and its idle connections hold it together (peer_ref);
 * it outlives reloads. Counters are atomics; what is marked so is written under the group's lock. */
#ifndef BALANCE_PEER_H
#define BALANCE_PEER_H

#include <stdatomic.h>

#include "balance/identity.h"
#include "balance/latency.h"
#include "balance/upstream.h"
#include "base/list.h"
#include "net/loop.h"
#include "tls/client.h"

struct group;
struct station;

struct peer {
    struct peer    *next;                /* in its group's list */
    struct group   *group;
    struct address  address;
    struct text     name;                /* "127.0.0.1:3000": $upstream_addr, logs; owned */
    struct text     server;              /* as its `server` line says: "app:3000"; owned, for life */
    atomic_uint     refs;
    atomic_uint     in_flight;           /* exchanges, on all loops */
    atomic_uint     fails;               /* in a row; written under the group's lock */
    /* below: under the group's lock. As configured: */
    struct identity identity;            /* when its group is sticky, */
    struct peer    *same_identity;       /* and the next that shares it */
    unsigned        weight, max_conns, max_fails;
    uint32_t        fail_timeout_ms, slow_start_ms;
    bool            is_backup, is_down, is_draining;
    bool            is_listed;           /* its group's list has it */
    /* the choice: */
    int64_t         effective_weight, current_weight;   /* in WEIGHT_ONE; smooth round robin */
    uint64_t        key_load, key_turn;                 /* where it stands in its roster's heap, */
    uint32_t        heap_place;                         /* and where that is */
    uint64_t        turn;                               /* when it is due among equals */
    struct latency  head, whole;         /* of its answers, while the method is timed */
    struct badness  badness;
    unsigned        open_count;          /* requests without the answer that counts, */
    int64_t         open_since_ms;       /* and the sum of their beginnings */
    /* health, clock_mono_ms(); 0: never: */
    int64_t         failed_ms, checked_ms, soured_ms;
    int64_t         unreached_ms;        /* the last failure to connect */
    int64_t         slow_since_ms;       /* back, and growing into its weight; 0: not */
    int64_t         ejected_ms, ejected_until_ms;   /* the last time; until is 0 when it is over */
    unsigned        ejections;           /* of late: how long the next one takes */
    unsigned        bad_in_row;          /* answers */
    unsigned        window_answers, window_bad;     /* of this interval */
    uint64_t        requests, failures, errors;     /* in all; errors: answers of 5xx */
    unsigned        bad_checks;          /* active ones that it has not passed (balance/probe.c) */
    bool            is_awaiting_checks;  /* one of them, until they have begun */
    bool            is_probed;           /* asked because nobody was left; that is under way */
    /* how long it lets connections rest (patience.c): atomics */
    atomic_uint      patience_ms;        /* 0: unknown */
    _Atomic(int64_t) patience_until_ms, closed_ms, closed_after_ms;
    /* idle connections, newest first: on the shelf (its lock; shelf.c), and per loop */
    struct link     shelf;
    atomic_uint     shelved;
    struct link     idle[LOOPS_MOST];
    struct link     shared[LOOPS_MOST];  /* in use or being made, for several exchanges (shared.c) */
    _Atomic(struct tls_memory *) sessions;   /* of TLS; NULL: none yet */
    _Atomic(uint64_t) loner;             /* identity of connections that were to be shared and are not */
};

/* Weights are counted in parts, so that a part of one can be given. */
enum { WEIGHT_ONE = 128 };

/* Referenced once, with all counters zero and nothing configured. */
struct peer *peer_new(struct group *group, const struct address *address, struct text server);
struct peer *peer_ref(struct peer *peer);
void         peer_unref(struct peer **peer);
/* Brings it in line with a `server` line and what that stands for. Under the group's lock. */
void         peer_configure(struct peer *peer, const struct upstream_server *server,
                            const struct station *station);

/* What TLS remembers of it. Any loop. */
struct tls_memory *peer_sessions(struct peer *peer);
/* It was to speak HTTP/2 on connections of this identity, and does, or does not. */
void peer_note_protocol(struct peer *peer, uint64_t identity, bool is_http2);
/* As far as is known; if not, it is no use waiting for one that others make. */
bool peer_may_share(const struct peer *peer, uint64_t identity);

/* Exchanges that use it now. */
static inline unsigned peer_in_flight(const struct peer *peer)
{
    return atomic_load_explicit(&peer->in_flight, memory_order_relaxed);
}

#endif
