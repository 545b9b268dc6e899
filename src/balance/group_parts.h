// SPDX-License-Identifier: MIT
/* What the files of balance share about a group: for src/balance/ only. */
#ifndef BALANCE_GROUP_PARTS_H
#define BALANCE_GROUP_PARTS_H

#include <pthread.h>

#include "balance/group.h"
#include "balance/health.h"
#include "balance/queue.h"
#include "balance/spread.h"
#include "base/zone.h"

struct member;
struct probe;

/* How waits ended. */
struct queue_counts {
    uint64_t served, waited_ms;          /* these together */
    uint64_t full, late, no_server;      /* refused: no room, too long, none is up */
    uint64_t left;                       /* clients */
};

struct group {
    struct text     name;
    struct zone    *zone;
    atomic_uint     refs;                /* the zone's, and one of each peer */
    atomic_uint     in_flight;           /* exchanges at any of its peers, on all loops */
    atomic_uint     retries;             /* of those: what the retry budget counts */
    _Atomic uint64_t events[GROUP_EVENTS];
    struct spread   heads;               /* how long answers take to begin, where that is asked */
    atomic_bool     has_to_tell;         /* the end of every request matters to the choice */
    struct member  *members;             /* control thread only (members.c) */
    struct probe   *probes;              /* the same (probe.c): active checks, of `checks` */
    const struct check    *checks;       /* in the arena of `checked_for` */
    const struct upstream *checked_for;
    struct loop    *control;
    atomic_bool     has_names;           /* members that must be resolved */
    atomic_bool     has_asked_again;     /* `again` is under way to the control loop, with a reference */
    struct letter   again;
    pthread_mutex_t lock;                /* of what follows */
    const struct picker *picker;
    struct balance  balance;             /* as configured; without the key's template */
    int64_t         timed_since_ms;      /* what began earlier is not counted as open; 0: not timed */
    double          typical_us;          /* of an answer, from any peer; 0: not known */
    struct peer    *peers;               /* in order of the configuration */
    unsigned        peer_count;
    bool            is_sticky;           /* its peers have identities, */
    struct map     *identities;          /* by which they are found; or NULL */
    struct roster   primaries, backups;
    struct ejection ejection;            /* as configured */
    int64_t         window_ms;           /* when its interval began */
    int64_t         ejection_ends_ms;    /* the next one that does; 0: none */
    struct queue    queue;               /* who waits for a place (wait.c) */
    struct queue_counts waits;
    int64_t         looked_ms;           /* when waiting ones were last looked at by the clock */
    enum nobody     nobody;              /* what it means that there are no peers */
    atomic_uint     resting, shelved;    /* idle connections in all; of these on the shelf: */
    struct link     shelf;               /* newest first, under its lock (shelf.c) */
    /* per loop, touched by that loop only: idle connections that may go to the shelf, and others */
    struct link     idle[LOOPS_MOST];
    struct staying { struct link by_age; unsigned count; } staying[LOOPS_MOST];
};

struct group *group_ref(struct group *group);
void          group_unref(struct group *group);

/* The list of peers anew from the members, in the configuration's order; peers that were in it go on
 * with their counters. Control thread. */
void group_rebuild(struct group *group);
/* A server has failed: does its name stand for another by now? Any thread. */
void group_doubt_names(struct group *group);

/* What the method says, or the lone server, or one that has failed and is asked whether it is back.
 * NULL: nobody. Under the lock. */
struct peer *group_choose(struct group *group, const struct pick_ask *ask);
/* It is chosen: counted and referenced. Under the lock. */
void         group_take(struct peer *peer, int64_t now_ms);
/* It was chosen at picked_ms, but not asked. Takes the lock. */
void         group_give_back(struct peer **peer, int64_t picked_ms);
/* Somebody whom it has not tried is up and takes it, now or when he has room. Under the lock. */
bool         group_may_serve(const struct group *group, const struct pick_ask *ask);
/* Somebody is up. Under the lock. */
bool         group_is_alive(const struct group *group, int64_t now_ms);

/* wait.c: what is usable goes to those who wait, at most to so many of them; when nobody is up they are
 * sent away. Whatever makes a peer usable unlocks like this. */
enum { SERVE_ONE = 1, SERVE_ALL = 1 << 30 };
void group_unlock_serving(struct group *group, int64_t now_ms, unsigned most);

/* roster.c */
/* Whose share of the weights `lot` falls into; 0 <= lot < roster_lots(). */
struct peer *roster_at(const struct roster *roster, uint64_t lot);
uint64_t     roster_lots(const struct roster *roster);
/* For a method that found nobody in its own way: as round robin has it. */
struct peer *roster_in_turn(struct roster *roster, const struct pick_ask *ask);
void roster_arrange(struct roster *roster, struct group *group, bool is_backup, int64_t now_ms);
void roster_drop(struct roster *roster);

/* pick_ring.c */
void ring_free(struct ring **ring);

#endif
