// SPDX-License-Identifier: MIT
/* What a balancing method is: a pure choice among the peers of a roster. No I/O; it runs on any loop
 * under the group's lock, so it is quick, and above ROSTER_SCANNED peers it does not look at each.
 *
 * A roster is a group's primaries or its backups, arranged for one method. The group arranges it anew
 * whenever its list of peers or its configuration changes. */
#ifndef BALANCE_PICKER_H
#define BALANCE_PICKER_H

#include "balance/peer.h"

enum { PICK_TRIED_MOST = 8, ROSTER_SCANNED = 32 };

/* What a pick wants to know. */
struct pick_ask {
    const struct peer *tried[PICK_TRIED_MOST];   /* not these again: the first of those tried */
    unsigned           tried_count;              /* all of them */
    int64_t            now_ms;
    struct text        key;                      /* `hash`: its key, evaluated */
    const struct address *client;                /* `ip_hash`: who asks; else NULL */
    struct text        bound;                    /* `sticky`: the identity that it is bound to; empty: none */
};

struct ring;

struct roster {
    struct group *group;
    struct peer **peers;                 /* in order of the configuration */
    uint32_t      count;
    uint64_t      weight;                /* of all, in WEIGHT_ONE */
    uint64_t     *sums;                  /* of the weights as configured, up to and with each peer */
    struct ring  *ring;                  /* of pick_ring; else NULL */
    struct peer **heap;                  /* of pick_quiet, above ROSTER_SCANNED; else NULL */
    uint64_t      turn;                  /* of whoever was chosen last */
    uint32_t      cursor;                /* of roster_in_turn() */
    int64_t       rekeyed_ms;            /* when the heap was last put in order as a whole */
};

struct picker {
    const char   *name;                  /* the directive */
    /* Builds what the method needs besides; the old is forgotten, but for the ring, which may still
     * do. NULL: nothing. */
    void        (*arrange)(struct roster *roster, int64_t now_ms);
    /* A usable peer, or NULL: nobody. */
    struct peer *(*pick)(struct roster *roster, const struct pick_ask *ask);
    /* The peer's load or health has changed. NULL: does not matter. */
    void        (*moved)(struct roster *roster, struct peer *peer, int64_t now_ms);
};

/* Requests in flight per weight, among them smooth weighted round robin: `round_robin` (the default)
 * and `least_conn`. */
extern const struct picker pick_quiet;
/* Least time of an answer, times requests in flight, per weight: `least_time`. */
extern const struct picker pick_time;
/* By lot, or the better of two lots: `random`. */
extern const struct picker pick_random;
/* By a key, as nginx: `hash`, `hash ... consistent`, `ip_hash`. */
extern const struct picker pick_hash, pick_ring, pick_ip_hash;

/* nginx's limit: so often a method of chance or of a key tries another before the roster's turn
 * decides. */
enum { PICK_TRIES = 20 };

#endif
