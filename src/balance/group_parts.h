// SPDX-License-Identifier: MIT
/* What the files of balance share about a group: for src/balance/ only. */
#ifndef BALANCE_GROUP_PARTS_H
#define BALANCE_GROUP_PARTS_H

#include <pthread.h>

#include "balance/group.h"
#include "balance/health.h"
#include "base/zone.h"

struct member;
struct probe;

struct group {
    struct text     name;
    struct zone    *zone;
    atomic_uint     refs;                /* the zone's, and one of each peer */
    atomic_uint     in_flight;           /* exchanges at any of its peers, on all loops */
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
    enum nobody     nobody;              /* what it means that there are no peers */
    atomic_uint     resting, shelved;    /* idle connections in all; of these on the shelf */
    /* per loop, touched by that loop only */
    struct link     idle[LOOPS_MOST];
};

struct group *group_ref(struct group *group);
void          group_unref(struct group *group);

/* The list of peers anew from the members, in the configuration's order; peers that were in it go on
 * with their counters. Control thread. */
void group_rebuild(struct group *group);
/* A server has failed: does its name stand for another by now? Any thread. */
void group_doubt_names(struct group *group);

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
