// SPDX-License-Identifier: MIT
/* What the files of balance share about a group: for src/balance/ only. */
#ifndef BALANCE_GROUP_PARTS_H
#define BALANCE_GROUP_PARTS_H

#include <pthread.h>

#include "balance/group.h"
#include "balance/health.h"
#include "base/zone.h"

struct member;

struct group {
    struct text     name;
    struct zone    *zone;
    atomic_uint     refs;                /* the zone's, and one of each peer */
    atomic_uint     in_flight;           /* exchanges at any of its peers, on all loops */
    atomic_bool     has_to_tell;         /* the end of every request matters to the choice */
    struct member  *members;             /* control thread only (members.c) */
    pthread_mutex_t lock;                /* of what follows */
    const struct picker *picker;
    struct peer    *peers;               /* in order of the configuration */
    unsigned        peer_count;
    struct roster   primaries, backups;
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

/* roster.c */
void roster_arrange(struct roster *roster, struct group *group, bool is_backup, int64_t now_ms);
void roster_drop(struct roster *roster);

#endif
