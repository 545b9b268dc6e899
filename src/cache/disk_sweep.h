// SPDX-License-Identifier: MIT
/* A walk through all that lies on disk: what is purged leaves the index, so that afterwards no purge of
 * before is needed for it. The writing thread does it between its other work, some megabytes at a time;
 * the bytes go when their segments do, large bodies at once. */
#ifndef CACHE_DISK_SWEEP_H
#define CACHE_DISK_SWEEP_H

#include <stdatomic.h>

#include "cache/disk_queue.h"
#include "cache/disk_walk.h"

struct disk;

/* Owner: the asker, the disk from the start until done(). */
struct disk_sweep {
    void      (*done)(struct disk_sweep *sweep);     /* on the writing thread */
    atomic_bool is_cancelled;            /* by anybody: it ends soon, with -ECANCELED */
    int         result;                  /* 0; -EAGAIN: the index is not there yet; -errno of reading */
    uint64_t    gone;
    uint64_t    oldest_stale;            /* serial of what is stale by a purge; UINT64_MAX: nothing is */

    /* Of the disk. */
    struct disk_work  work;
    struct disk_walk  walk;              /* while `segment` is there */
    struct segment   *segment;
    uint32_t          next, last;        /* numbers of segments */
};

/* What was given to the disk before is swept, what comes after was judged before it was written. One at
 * a time. False: closed, done() is not called. Any thread. */
bool disk_sweep_start(struct disk *disk, struct disk_sweep *sweep) WARN_UNUSED;

#endif
