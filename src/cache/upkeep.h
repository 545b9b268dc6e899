// SPDX-License-Identifier: MIT
/* What a cache does for itself over time: sweeps out what was purged, forgets purges that concern nobody
 * any more, drops what nobody asks for, and keeps what all this costs within the limit of memory.
 *
 * A thread of its own, as the disk's: it waits for time and for others, and no loop need be alive. It
 * sweeps when the book of purges gets long and when it is asked to, which it is behind a purge by
 * prefix: such a line costs every look into the book. One per cache. */
#ifndef CACHE_UPKEEP_H
#define CACHE_UPKEEP_H

#include "cache/arrivals.h"
#include "cache/disk.h"
#include "cache/memory.h"
#include "cache/purges.h"
#include "net/loop.h"

struct upkeep;

/* Borrowed: they outlive it. */
struct upkept {
    struct memory   *memory;
    struct disk     *disk;               /* NULL: in memory only */
    struct purges   *purges;
    struct arrivals *arrivals;
    struct text      name;
    uint64_t       (*beside)(void *arg); /* bytes that are to be counted beside the memory tier */
    void            *arg;
};

/* Somebody who wants to know. Owner: the asker until is_done; `waiter` NULL: nobody (any more), it frees
 * itself. */
struct cache_sweep {
    struct task  *waiter;                /* woken with WAKE_LETTER on the loop that asked */
    bool          is_done;
    bool          is_partial;            /* the disk could not be walked through, or we close */
    uint64_t      memory, disk;          /* how many went */

    /* Of the upkeep. */
    bool                is_for_nobody;   /* from the start: no loop needs to hear of it */
    struct cache_sweep *next;
    struct letter       letter;
    struct loop        *loop;
    char                name[64];        /* of the cache, for the log */
};

struct upkeep_figures {
    uint64_t sweeps, memory, disk;       /* how many of each kind went by sweeps */
    uint64_t idle;                       /* went from memory, not asked for */
    bool     is_sweeping;
};

struct upkeep *upkeep_new(const struct upkept *upkept, int64_t inactive_ms);
/* Before all that is upkept goes, while loops still exist; waits for the thread. */
void           upkeep_free(struct upkeep **upkeep);
/* Objects that nobody has asked for during so long leave memory; 0: never. */
void           upkeep_set_inactive(struct upkeep *upkeep, int64_t inactive_ms);
/* A purge was written to the book. */
void           upkeep_note_purge(struct upkeep *upkeep);
/* All that is purged by now goes. `sweep` was made with mem_new(), its waiter set; on a loop. */
void           upkeep_sweep(struct upkeep *upkeep, struct cache_sweep *sweep);
struct upkeep_figures upkeep_figures(struct upkeep *upkeep);

#endif
