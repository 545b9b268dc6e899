// SPDX-License-Identifier: MIT
/* The end of the log of a cache on disk: records are gathered in memory, written together, and known to
 * the index only then. Of the writing thread. */
#ifndef CACHE_DISK_LOG_H
#define CACHE_DISK_LOG_H

#include "cache/disk_format.h"
#include "cache/disk_index.h"
#include "cache/disk_segments.h"

enum { LOG_PENDING_MOST = 512 };

struct disk;

struct log_pending {
    struct object   *object;             /* from the queue; NULL: was read from the disk itself */
    struct index_row row;
    uint64_t         large_id;
};

struct disk_log {
    struct disk       *disk;
    struct segment    *active;           /* counted; NULL: the next record begins one */
    uint64_t           written;          /* bytes of it that lie in the file */
    uint64_t           sound;            /* so far are whole records, all known to the index */
    uint64_t           large_bytes;      /* that its records name */
    uint32_t           next_number;
    unsigned char     *stage;
    size_t             staged;
    atomic_size_t      stage_used;       /* of it at most so far; the rest was never touched. Any thread */
    struct log_pending pending[LOG_PENDING_MOST];
    unsigned           pending_count;
};

void     disk_log_init(struct disk_log *log, struct disk *disk);
void     disk_log_done(struct disk_log *log);
/* Its body is the object's or `body`, or lies elsewhere. Takes the object, which is unqueued when it is
 * written. -errno: it is lost (and not taken), and so may be what was appended since the last flush. */
int      disk_log_append(struct disk_log *log, const struct record *record, struct object *object,
                         struct text body) WARN_UNUSED;
int      disk_log_flush(struct disk_log *log) WARN_UNUSED;
/* Flushed and on stable storage. */
int      disk_log_sync(struct disk_log *log) WARN_UNUSED;
/* What comes next goes to a new segment. */
void     disk_log_seal(struct disk_log *log);
uint64_t disk_log_staged(const struct disk_log *log);

#endif
