// SPDX-License-Identifier: MIT
/* A large body inside: for the files that make, read and keep them.
 *
 * Nobody but us writes to its file; who does all the same is noticed by `stamp`. What was written, or found
 * sound, is believed as long as that holds, else by its checksums.
 *
 * Its file: the body, then a checksum of each LARGE_PART_BYTES of it, then struct large_trailer. */
#ifndef CACHE_LARGE_PARTS_H
#define CACHE_LARGE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/disk_queue.h"
#include "cache/large_body.h"

enum { LARGE_PART_BYTES = 256 * 1024 };

struct large_trailer {
    uint64_t checksum;                   /* of the checksums and of what follows; sealed */
    uint64_t id, body_len;
    uint32_t magic, version;
};

struct large_pending {
    struct large_pending *next;
    struct slice          slice;
};

struct large_body {
    atomic_uint           refs;
    struct disk          *disk;          /* counted */
    uint64_t              id;
    struct disk_work      work;          /* of the writing thread: writes what is pending, or its end */
    pthread_mutex_t       lock;          /* of the next group */
    struct large_pending *first, *last;
    bool                  is_queued, is_finishing, is_damaged, is_over;

    pthread_mutex_t       watch_lock;    /* held while progress is told */
    void                (*progress)(void *arg);
    void                 *progress_arg;

    atomic_int            fd;            /* -1: not made yet */
    atomic_uint_least64_t pending, written;
    atomic_bool           is_whole, has_failed;

    atomic_uint_least64_t stamp;         /* large_body_stamp() behind our last write, or when checks began anew */

    /* Of the maker, changed under the lock until it is whole. */
    uint64_t             *checksums;     /* of parts */
    uint32_t              checksum_count, checksum_room;
    void                 *hashing;       /* of the part that is being written */
    _Atomic(uint64_t)    *checked;       /* once whole: a bit for each part that was found sound since `stamp` */
};

/* Of the file as it is now: another one when somebody has changed it since. */
uint64_t large_body_stamp(const struct large_body *body);

/* The open body of this id, opening its file if need be (blocks); a reference. NULL: it is not there,
 * or damaged. With `is_quick` only one that is open already. */
struct large_body *large_body_take(struct disk *disk, uint64_t id, uint64_t len, bool is_quick);
uint64_t           large_body_id(const struct large_body *body);
bool               large_body_try_ref(struct large_body *body);
/* Its bytes are not what was stored: the index forgets it. Any thread. */
void               large_body_damaged(struct large_body *body);
/* Of the trailer. */
uint64_t           large_trailer_checksum(const struct large_body *body,
                                          const struct large_trailer *trailer);

#endif
