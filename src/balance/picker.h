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
};

struct roster {
    struct group *group;
    struct peer **peers;                 /* in order of the configuration */
    uint32_t      count;
    uint64_t      weight;                /* of all, in WEIGHT_ONE */
    struct peer **heap;                  /* of pick_quiet, above ROSTER_SCANNED; else NULL */
    uint64_t      turn;                  /* of whoever was chosen last */
    int64_t       rekeyed_ms;            /* when the heap was last put in order as a whole */
};

struct picker {
    const char   *name;                  /* the directive */
    /* Builds what the method needs besides; roster_drop() has forgotten the old. NULL: nothing. */
    void        (*arrange)(struct roster *roster, int64_t now_ms);
    /* A usable peer, or NULL: nobody. */
    struct peer *(*pick)(struct roster *roster, const struct pick_ask *ask);
    /* The peer's load or health has changed. NULL: does not matter. */
    void        (*moved)(struct roster *roster, struct peer *peer, int64_t now_ms);
};

/* Requests in flight per weight, among them smooth weighted round robin: `round_robin` (the default)
 * and `least_conn`. */
extern const struct picker pick_quiet;

#endif
