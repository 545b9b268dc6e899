// SPDX-License-Identifier: MIT
/* The `server` lines of a group, with the addresses that they stand for at present: names are looked
 * up on the control loop, again when an answer's time is over, and the group's peers follow.
 *
 * An address that an answer does not name any more leaves the group; exchanges that use it end as they
 * would have. An answer that fails changes nothing: the last good one stays in use. */
#ifndef BALANCE_MEMBERS_H
#define BALANCE_MEMBERS_H

#include "balance/group_parts.h"
#include "net/resolver.h"

/* One address of a member. */
struct station {
    struct address address;
    unsigned       weight;
    bool           is_backup;
};

/* Owner: the group; it lives on the control loop. */
struct member {
    struct member         *next;
    struct group          *group;
    struct upstream_server server;       /* texts are copies */
    struct station        *stations;
    unsigned               station_count;
    struct loop           *control;
    /* of a name: */
    struct resolver       *resolver;
    struct question       *question;     /* while it is being asked */
    uint32_t               timeout_ms;
    unsigned               most;         /* addresses that are used */
    int64_t                asked_ms;
    unsigned               failures;     /* in a row */
    struct task            task;
    struct timer           timer;
    bool                   has_said_cut;
};

/* Puts a configuration's servers in place of the group's, and asks for their names; what a name stood
 * for until now stays good until the new answer comes. Control thread. */
void members_replace(struct group *group, const struct upstream *upstream, struct loop *control);
void members_ask(struct group *group);
void members_drop(struct member *members);

#endif
