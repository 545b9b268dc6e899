// SPDX-License-Identifier: MIT
/* The disk tier: a log of segments, and an index of them in memory.
 *
 * Objects are appended as checksummed records to segment files, in order; the oldest segment is
 * evicted whole, what was asked for of late is appended anew. Bodies beyond the memory tier's ceiling lie
 * in files of their own (`large_body`), which their record names. Purges are records too, so replay
 * after a crash meets them in order. A snapshot of the index makes a start quick; what is newer is
 * replayed; a torn tail is dropped. All writing is done by one job at a time on a job thread, reading
 * by jobs or at once where the page cache has it. Whatever fails makes misses, never wrong bytes.
 * Calls are for any loop thread. Everything on disk is little endian.
 *
 * Memory: at most 32 bytes per object on disk, the bucket table included. */
#ifndef CACHE_DISK_H
#define CACHE_DISK_H

#include "cache/large_body.h"
#include "cache/memory.h"
#include "cache/object.h"
#include "cache/purges.h"
#include "net/jobs.h"
#include "net/task.h"

struct disk;

struct disk_settings {
    struct text path;                    /* of the directory; it exists */
    uint64_t    max_size;                /* bytes of all files, overhead included; 0: 10 GB */
    uint64_t    min_free;                /* of the file system; 0: any */
    uint64_t    segment_size;            /* 0: chosen from max_size, 64-256 MB, smaller below 1 GB */
    int64_t     inactive_ms;             /* not asked for so long: may go; 0: never for that reason */
};

struct disk_figures {
    uint64_t objects, bytes, limit, index_bytes;
    uint64_t reads, written_bytes, evicted, dropped_writes, damaged, errors;
    bool     is_loading, is_failing;
};

/* Called at start and when a reload brings a new one. Refuses (-EEXIST, with words for the log) a
 * directory that holds anything but ours. Loads its index in the background: misses until then. The
 * secret seed of the keys is kept in the directory: see disk_seed(). */
int      disk_open(const struct disk_settings *settings, struct purges *purges, struct disk **ret_disk,
                   struct text *ret_complaint) WARN_UNUSED;
/* Writes the snapshot, waits for what is under way; then everything is gone. Bodies that are still
 * held stay readable. */
void     disk_close(struct disk **disk);
/* Another max_size, min_free, inactive after a reload. */
void     disk_set(struct disk *disk, const struct disk_settings *settings);
uint64_t disk_seed(const struct disk *disk);
/* The largest serial in it, once loaded; later ones must be larger. Told to `loaded` when it is known
 * (at once if it is). */
void     disk_on_loaded(struct disk *disk, void (*loaded)(uint64_t serial, void *arg), void *arg);

/* Where the record of the most recent object of this key and variant lies (0: nowhere); it must still be
 * read to be believed. */
uint64_t disk_find(struct disk *disk, const struct cache_key *key, struct variant_ask *ask);

/* Reads a record into an object with its body in memory (or `large`). Owner: the asker, until `letter`-like
 * wake WAKE_LETTER of `waiter` has come: then is_done is set. Asked from the waiter's loop. */
struct disk_read {
    struct job      job;
    struct disk    *disk;
    uint64_t        place;
    struct cache_key key;                /* that the record must have; text borrowed until done */
    struct task    *waiter;              /* NULL: whoever asked has gone, the read frees itself */
    struct object  *ret_object;          /* a reference of the asker's; NULL: damaged, gone, no memory */
    bool            is_done;
};
/* False when it is done already (the page cache had it): no wake comes. Made with mem_; the asker frees
 * it when done, or gives it up with disk_read_leave(). */
bool disk_read_start(struct disk_read *read);
void disk_read_leave(struct disk_read **read);

/* Appends the whole object (its body in memory or `large` and finished); sets object->place when it is
 * written. Holds a reference meanwhile. Replaces what it has for the same key and variant. False: the
 * writer is behind, or failing; nothing is stored. */
bool disk_store(struct disk *disk, struct object *object);
/* It is used: its segment's eviction will append it anew. */
void disk_note_use(struct disk *disk, const struct object *object);
/* Appends the purge's record and syncs it; `waiter` is woken with WAKE_LETTER and *ret_is_done set, on
 * `loop`. Prefix purges are followed by a walk through the index in the background. */
struct disk_purge {
    struct job    job;
    struct disk  *disk;
    struct purge  purge;                 /* prefix borrowed until done */
    struct task  *waiter;
    bool          is_done, has_failed;
};
void disk_purge_start(struct disk_purge *purge);

struct disk_figures disk_figures(struct disk *disk);

#endif
