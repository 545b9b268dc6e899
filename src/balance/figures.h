// SPDX-License-Identifier: MIT
/* What a group looks like from outside, at one moment: copies, for those who look on (`frontdesk
 * status`). Requests go on meanwhile: the group's lock is held for as long as copying takes. */
#ifndef BALANCE_FIGURES_H
#define BALANCE_FIGURES_H

#include "balance/group_parts.h"

/* The first that holds. */
enum peer_state {
    PEER_DOWN = 0,                       /* "down" */
    PEER_CHECKING,                       /* its first checks have not begun */
    PEER_UNHEALTHY,                      /* says an active check */
    PEER_EJECTED,                        /* outlier_ejection */
    PEER_FAILING,                        /* max_fails */
    PEER_DRAINING,                       /* "drain" */
    PEER_SLOW,                           /* grows into its weight */
    PEER_UP
};

struct peer_figures {
    struct text     address, server;     /* "127.0.0.1:3000"; as its `server` line says */
    enum peer_state state;
    int64_t         left_ms;             /* of EJECTED, FAILING, SLOW; else 0 */
    bool            is_backup;
    unsigned        weight, max_conns, in_flight;
    uint64_t        requests, failures, errors;
    unsigned        ejections;           /* of late */
    int64_t         head_us, whole_us;   /* how long answers take; 0: not known, or nobody asks */
};

/* A name that is asked for. */
struct name_figures {
    struct text name;                    /* of the `server` line */
    unsigned    addresses;
    unsigned    failures;                /* in a row; the last good addresses stay in use */
    int64_t     asked_ago_ms;
};

struct group_figures {
    struct text          name, method;
    unsigned             in_flight, resting, retries;
    uint64_t             events[GROUP_EVENTS];
    unsigned             queue_most, waiting;
    int64_t              waiting_for_ms;       /* since when anybody has waited */
    struct queue_counts  waits;
    unsigned             peer_count, name_count;
    struct peer_figures *peers;                /* in order of the configuration */
    struct name_figures *names;
};

/* All of it in the arena. Control thread. */
struct group_figures group_figures(struct group *group, struct arena *arena);
/* The next one of all groups, those of names in variables and of former configurations included; NULL:
 * no more. Start with NULL. Control thread. */
const struct zone *group_next(const struct zone *after);

#endif
