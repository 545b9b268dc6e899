// SPDX-License-Identifier: MIT
/* The segment files of a cache on disk, by number. Counted: a file that was evicted stays readable for
 * whoever holds it, and its descriptor is closed by the thread that writes, since that may take time.
 * One thread adds and drops; any thread takes, reads and unrefs. */
#ifndef CACHE_DISK_SEGMENTS_H
#define CACHE_DISK_SEGMENTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

struct segments;

struct segment {
    atomic_uint           refs;
    uint32_t              number;
    int                   fd;
    struct segments      *home;
    struct segment       *next;          /* among those to be closed */
    atomic_uint_least64_t bytes;         /* of whole records that were written */
    atomic_int_least64_t  used_ms;       /* monotonic: last read */
};

struct segments {
    pthread_mutex_t       lock;
    int                   dir_fd;
    struct segment      **ring;          /* by the low half of the number */
    struct segment       *dead;
    uint32_t              oldest, newest;                /* 0: there are none */
    atomic_uint           count;
    atomic_uint_least64_t bytes;         /* of all */
};

void segments_init(struct segments *segments, int dir_fd);
void segments_done(struct segments *segments);
/* Opens what is there, or makes an empty one; numbers must rise. -errno. */
int  segments_add(struct segments *segments, uint32_t number, bool is_new,
                  struct segment **ret_segment) WARN_UNUSED;
/* A reference of the caller's, or NULL. */
struct segment *segments_take(struct segments *segments, uint32_t number);
struct segment *segments_take_oldest(struct segments *segments);
/* The first and the last number; both 0: there are none. */
void            segments_range(struct segments *segments, uint32_t *ret_oldest, uint32_t *ret_newest);
/* 0: there is none. Of the thread that adds and drops. */
uint64_t        segments_bytes_of(const struct segments *segments, uint32_t number);
/* Deletes the file and forgets it; the caller's reference remains. */
void            segments_drop(struct segments *segments, struct segment *segment);
void            segment_unref(struct segment *segment);
/* Closes what nobody reads any more. */
void            segments_bury(struct segments *segments);

void segment_grow(struct segment *segment, uint64_t bytes);
/* Fills the buffer as far as there are bytes: how many, or -errno. With `is_quick` only from memory,
 * without waiting: -EAGAIN when not all of it is there. */
ssize_t segment_read(const struct segment *segment, void *buffer, size_t len, uint64_t from,
                     bool is_quick);
/* The same on any file. */
ssize_t file_read(int fd, void *buffer, size_t len, uint64_t from, bool is_quick);

#endif
