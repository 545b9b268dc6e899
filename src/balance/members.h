// SPDX-License-Identifier: MIT
/* The `server` lines of a group, with the addresses that they stand for at present: names are looked
 * up on the control loop, and the group's peers follow. */
#ifndef BALANCE_MEMBERS_H
#define BALANCE_MEMBERS_H

#include "net/resolver.h"
#include "balance/group_parts.h"

/* Owner: the group; it lives on the control loop, `resolve` on the job threads while is_asking. */
struct member {
    struct member         *next;
    struct group          *group;
    struct upstream_server server;       /* texts are copies */
    struct address        *addresses;
    unsigned               address_count;
    struct resolve         resolve;
    struct task            task;
    struct timer           timer;
    struct loop           *control;
    bool                   is_asking, is_obsolete, has_failed;
};

/* Puts a configuration's servers in place of the group's, and asks for their names; what a name stood
 * for until now stays good until the new answer comes. Control thread. */
void members_replace(struct group *group, const struct upstream *upstream, struct loop *control);
void members_ask(struct group *group);
void members_drop(struct member *members);

#endif
