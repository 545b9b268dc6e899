// SPDX-License-Identifier: MIT
/* The index of a cache on disk as a file, so that a start need not read the segments. Of the writing
 * thread; blocks. */
#ifndef CACHE_DISK_SNAPSHOT_H
#define CACHE_DISK_SNAPSHOT_H

#include "cache/snapshot_format.h"

struct disk;

/* Writes index.new, syncs it and puts it in the place of `index`. What was appended must be flushed.
 * -errno: the former one stands. */
int  disk_snapshot_write(struct disk *disk) WARN_UNUSED;
/* When something has changed and it is time. */
void disk_snapshot_if_due(struct disk *disk);
/* When something has changed. */
void disk_snapshot_at_end(struct disk *disk);
/* Into the index and the book of purges; the segments are there already. *ret_position is where replay
 * begins. -ENOENT: there is none; -EINVAL: damaged. All must be replayed then, which overrules what
 * was read. */
int  disk_snapshot_load(struct disk *disk, struct snapshot_position *ret_position) WARN_UNUSED;
/* Bytes to be kept free for it and for the next one. */
uint64_t disk_snapshot_reserve(struct disk *disk);

#endif
