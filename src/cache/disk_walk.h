// SPDX-License-Identifier: MIT
/* From record to record through a segment, in large reads; bodies are skipped. What is damaged is
 * passed over to the next sound record and counted; a torn tail ends the walk. Blocks: of the writing
 * thread. */
#ifndef CACHE_DISK_WALK_H
#define CACHE_DISK_WALK_H

#include "cache/disk_format.h"
#include "cache/disk_segments.h"

struct disk_walk {
    struct segment *segment;             /* borrowed */
    uint64_t        seed, at, end;
    unsigned char  *window;
    uint64_t        window_at;
    size_t          window_len;
    uint64_t        damaged;             /* gaps so far, a torn tail included */
    int             error;               /* of reading: the walk ended early */
};

/* From an offset that is a record's, or the end. -ENOMEM. */
int  disk_walk_begin(struct disk_walk *walk, struct segment *segment, uint64_t seed, uint64_t from)
    WARN_UNUSED;
/* False: no more. The record borrows from the walk until the next call. */
bool disk_walk_next(struct disk_walk *walk, struct record *ret_record, uint64_t *ret_place);
void disk_walk_end(struct disk_walk *walk);

#endif
