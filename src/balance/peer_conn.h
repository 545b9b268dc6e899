// SPDX-License-Identifier: MIT
/* A connection to a peer: who uses it, and its end. One that carries a message at a time has one user, one that
 * carries several has many; without users it rests (balance/idle.h). What it is to be (balance/line.h) its users
 * say, who all want the same. Owner: itself, it buries itself when its conn has ended. One loop. */
#ifndef BALANCE_PEER_CONN_H
#define BALANCE_PEER_CONN_H

#include "balance/connector.h"

struct shelved;

struct peer_conn {
    struct line       line;
    struct peer      *peer;              /* referenced */
    struct loop      *loop;
    struct link       users;             /* connectors, by link, oldest first; empty at rest */
    unsigned          user_count;
    unsigned          promised;          /* users that may open a stream, and have not done so yet */
    uint64_t          identity;          /* who may use it (connector_identity()) */
    struct link       link;              /* at rest: in peer->idle[loop], newest first; in use by those who
                                            share: in peer->shared[loop] */
    struct link       age_link;          /* at rest: in the loop's list of this group, newest first */
    struct link       loop_link;         /* at rest: in the loop's list of all groups, newest first */
    struct task       task;              /* woken by the conn: it stands, it has room, it has ended */
    int64_t           made_ms, rested_ms;
    int64_t           until_ms;          /* when its rest is over */
    unsigned          served;            /* messages so far */
    bool              is_settled;        /* how many streams may be opened is known */
    bool              is_shared;         /* carries several messages at a time */
    bool              is_bare;           /* a descriptor is all there is to it, it may lie on the shelf */
    bool              is_dismissed;      /* those who use it are the last */
    struct corpse     corpse;
};

/* A new one, for `connector`, who joins it. -errno when the system refuses at once, -EUSERS when the loop
 * has all the connections it may. */
int peer_conn_open(struct connector *connector, uint64_t identity);
/* Back to life from the shelf, as a connection of this loop. NULL: the poller refuses. */
struct peer_conn *peer_conn_revive(const struct connector_ask *ask, struct loop *loop,
                                   const struct shelved *shelved);

void peer_conn_join(struct peer_conn *peer_conn, struct connector *connector);
void peer_conn_leave(struct peer_conn *peer_conn, struct connector *connector);
/* Nobody else is to use it. */
void peer_conn_dismiss(struct peer_conn *peer_conn);
/* Streams that may be opened by others than those who have been promised one. */
unsigned peer_conn_room(const struct peer_conn *peer_conn);

#endif
