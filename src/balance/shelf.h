// SPDX-License-Identifier: MIT
/* The shelf: connections to peers that have rested for a while, belonging to no loop, so that any
 * loop may take one. One for the process, behind a lock of its own.
 *
 * Here a connection is a descriptor and a few facts. Nobody watches it; whoever sweeps looks whether
 * the peer has closed it, and whoever takes it does so again. */
#ifndef BALANCE_SHELF_H
#define BALANCE_SHELF_H

#include "balance/peer.h"

struct shelved {
    int      fd;
    unsigned served;                     /* messages so far */
    int64_t  made_ms, rested_ms;         /* loop_now_ms() */
    int64_t  until_ms;                   /* then it is closed */
};

/* Takes the descriptor of a connection that its group counts as resting already. Any loop. */
void     shelf_put(struct peer *peer, const struct shelved *shelved);
/* The one that has rested shortest, alive a moment ago; false: none. */
bool     shelf_take(struct peer *peer, struct shelved *ret_shelved);
/* Closes those whose time is over or that were closed by their peers; one loop at a time, at most once
 * in SHELF_SWEEP_MS. */
enum { SHELF_SWEEP_MS = 500 };
void     shelf_sweep(int64_t now_ms);
/* Closes the oldest, of all groups or of one; returns how many. */
unsigned shelf_close_oldest(struct group *group, unsigned most);
unsigned shelf_count(void);

#endif
