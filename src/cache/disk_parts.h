// SPDX-License-Identifier: MIT
/* What the files of the disk tier share: the tier itself, for its own files only.
 *
 * One thread writes (disk_writer.c): it alone touches `log`, adds and drops segments, evicts, loads and
 * makes snapshots. Readers go through the index and the table of segments. */
#ifndef CACHE_DISK_PARTS_H
#define CACHE_DISK_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "cache/disk.h"
#include "cache/disk_directory.h"
#include "cache/disk_format.h"
#include "cache/disk_index.h"
#include "cache/disk_log.h"
#include "cache/disk_queue.h"
#include "cache/disk_reads.h"
#include "cache/disk_segments.h"
#include "cache/disk_snapshot.h"
#include "cache/disk_sweep.h"
#include "cache/disk_vary.h"
#include "cache/large_files.h"

enum { DISK_QUEUE_MOST = 64 * 1024 * 1024, DISK_OVERHEAD_BYTES = 64 * 1024 };

enum disk_state {
    DISK_AWAY = 0,                       /* the directory cannot be used, what follows from it is not there */
    DISK_WAITING,                        /* another process has it */
    DISK_LOADING,
    DISK_READY,
    DISK_CLOSED
};

/* A line for the log, kept until a thread that has one comes by: disk_say(). */
struct disk_words {
    pthread_mutex_t lock;
    atomic_bool     has_line;
    enum log_level  level;
    char            line[DIRECTORY_WORDS_BYTES];
};

struct disk {
    atomic_uint           refs;          /* the opener's, reads that are under way, large bodies */
    char                 *path;
    struct purges        *purges;        /* until it is closed */
    struct memory        *memory;        /* above it, until it is closed; or NULL */
    void                (*opened)(uint64_t seed, uint64_t serial, void *arg);
    void                 *opened_arg;
    struct disk_directory directory;
    atomic_uint_least64_t seed;          /* the directory's, until it is open the one for an empty one */
    struct disk_index    *index;
    struct disk_vary     *varies;
    struct segments       segments;
    struct large_files    larges;
    struct disk_queue     queue;
    struct disk_reads     reading;       /* under way */
    struct disk_words     words;
    pthread_t             writer;
    atomic_int            state;         /* enum disk_state */
    atomic_int_least64_t  end_ms;        /* by when all must be written; 0: not decided */
    atomic_uint_least64_t dropped_before;        /* writes, when that was decided */
    atomic_bool           is_failing;
    atomic_uint_least64_t max_size, min_free, segment_size, queue_most;
    atomic_int_least64_t  inactive_ms, snapshot_ms;
    atomic_uint_least64_t large_count;   /* bodies begun since the opening */
    atomic_uint_least64_t reads, written_bytes, evicted, dropped_writes, damaged, errors;

    /* Of the writing thread. */
    struct disk_log       log;
    struct disk_purge    *purges_written;        /* to be synced, then told */
    struct disk_sweep    *sweep;                 /* under way; or NULL */
    int64_t               retry_ms, pause_ms, said_ms;
    bool                  is_leaving;
    uint64_t              back_serial;   /* since it is back: the number before the first; 0: was never away */
    bool                  has_missed;    /* a purge that what lies in the directory does not know of */
    struct {
        uint64_t bytes, rest_bytes;      /* of the file; of what is not rows in it */
        uint64_t changes;                /* that are in it */
        uint64_t forced;                 /* counts up: another one is wanted */
        bool     is_urgent;              /* a purge is in the book only */
        int64_t  done_ms;
    } snapshot;
};

struct disk *disk_ref(struct disk *disk);
void         disk_unref(struct disk *disk);
void         disk_note_words(struct disk *disk, enum log_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);
bool         disk_is_ready(const struct disk *disk);

/* The queue's reference goes: it was written, or will not be. */
void disk_unqueue(struct disk *disk, struct object *object);

/* Its time is over: what is not written by now will not be. */
bool disk_is_late(const struct disk *disk);

/* disk_writer.c */
int  disk_writer_start(struct disk *disk) WARN_UNUSED;
void disk_writer_stop(struct disk *disk);
/* Writing failed: no more of it until a pause is over. Nothing if it was given up, -ESHUTDOWN. */
void disk_fail(struct disk *disk, const char *what, int error);

/* disk_load.c: what lies in the directory into the index and the book of purges. */
int disk_load(struct disk *disk) WARN_UNUSED;

/* disk_evict.c */
uint64_t disk_used(struct disk *disk);               /* bytes of all files, and of what is being written */
/* Evicts until so many bytes may be added. When nothing is left to evict -EFBIG: that would be more than
 * the cache may hold; -ENOSPC: others have filled the disk. */
int      disk_make_room(struct disk *disk, uint64_t bytes) WARN_UNUSED;

/* Evicts down to limits that a reload made smaller, and to min_free when others fill the disk. */
void     disk_shrink(struct disk *disk);

/* Evicts the oldest segment when nothing was read from it within `inactive`, unless most of it was asked for
 * all the same, in memory. */
void     disk_evict_inactive(struct disk *disk);

/* disk_sweep.c: goes on with the one that is under way. */
void     disk_sweep_step(struct disk *disk);

/* Opens the directory. -errno, with words for the log: it is as before. */
int  disk_begin(struct disk *disk, char ret_words[DIRECTORY_WORDS_BYTES]) WARN_UNUSED;
bool disk_is_away(const struct disk *disk);
/* The number before the first serial of this opening. */
uint64_t disk_serial(const struct disk *disk);

/* By the book of purges; what is stale by it is changed so that it is by itself. What lies behind a purge
 * in the log has so been judged by it, and a purge is needed only as long as its segment is. */
bool disk_may_write(struct disk *disk, struct record *record);
/* The row of the index for a record at this place; -ENOSPC: too many kinds of Vary. */
int disk_row_of(struct disk *disk, const struct record *record, uint64_t place,
                struct index_row *ret_row) WARN_UNUSED;

/* The purge is over: the asker's loop hears of it, if there is one. On any thread, once. */
void disk_purge_end(struct disk_purge *purge);

#endif
