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

#include "cache/disk_queue.h"
#include "cache/large_body.h"
#include "cache/memory.h"
#include "cache/object.h"
#include "cache/purges.h"
#include "net/jobs.h"
#include "net/task.h"

struct disk;

/* Who ends a process gives it some seconds, and not for the disk alone. */
enum { DISK_END_MS = 2500 };

struct disk_settings {
    struct text path;                    /* of the directory; it exists */
    uint64_t    max_size;                /* bytes of all files, overhead included; 0: 10 GB */
    uint64_t    min_free;                /* of the file system; 0: any */
    uint64_t    segment_size;            /* 0: chosen from max_size, 64-256 MB, smaller below 1 GB */
    int64_t     inactive_ms;             /* not asked for so long: may go; 0: never for that reason */
    int64_t     snapshot_ms;             /* between snapshots; 0: 30 s for each million objects */
    uint64_t    queue_bytes;             /* that may wait to be written; at most, and 0: 64 MB */
    uint64_t    seed;                    /* of keys, for a directory that has none yet; 0: by chance */

    /* Called once, when the directory is open, before anything is found in it: its seed, and the number
     * before the first serial. Serials must be larger than all that were ever given there: each opening has
     * a range of its own. Within disk_open(), or later on the thread that writes. */
    void      (*opened)(uint64_t seed, uint64_t serial, void *arg);
    void       *arg;
};

struct disk_figures {
    uint64_t objects, bytes, limit, index_bytes;
    uint64_t reads, written_bytes, evicted, dropped_writes, damaged, errors;
    uint64_t memory_bytes;               /* that it takes beside objects, the index included */
    bool     is_loading, is_failing;
};

/* Called at start and when a reload brings a new one; blocks shortly. Refuses (-EEXIST, or another
 * -errno, with words for the log that are valid until the thread's next call) a directory that holds
 * anything but ours, or cannot be used. With `opened` that is no end: 0 is returned, it is tried again
 * until it can be, every half a minute at least, and until then nothing is found or stored. Loads its index in the background: misses until then. While another process has
 * the directory (one that is being replaced), nothing is found or stored, and it is asked for again
 * each second. The secret seed of the keys is kept in the directory: see disk_seed(). `ret_complaint`
 * may be set on success as well: something to be said at [warn]. */
int      disk_open(const struct disk_settings *settings, struct purges *purges, struct disk **ret_disk,
                   struct text *ret_complaint) WARN_UNUSED;
/* The tier that lies above it and does not evict what waits. Set once, before use. */
void     disk_set_above(struct disk *disk, struct memory *memory);
/* It will be closed: what is not written in DISK_END_MS from now is dropped. Before anybody waits for the thread
 * that writes. Any thread, returns at once; once more is nothing. */
void     disk_expire(struct disk *disk);
/* Writes what waits and the snapshot, gives the directory free, says what went wrong; blocks. Any thread,
 * while loops still exist and `purges` does. Reads that are under way come to nothing; bodies that are still held stay
 * readable. */
void     disk_close(struct disk **disk);
/* Gives the directory to the process that comes after this one: what waits is written, then nothing is
 * found or stored any more. Bodies that are held stay readable. At the beginning of a drain, or the next
 * process goes without its disk until this one ends. Any thread; returns at once. */
void     disk_leave(struct disk *disk);
/* Another max_size, min_free, inactive after a reload. */
void     disk_set(struct disk *disk, const struct disk_settings *settings);
uint64_t disk_seed(const struct disk *disk);
/* Whatever the thread that writes has to say goes to the calling thread's log. Loops do so when they ask
 * for something; somebody has to when nobody does. */
void     disk_say(struct disk *disk);

/* Where the record of the most recent object of this key and variant lies (0: nowhere). It must still be
 * read to be believed, and its variant be compared: only 32 bits of its hash were. */
uint64_t disk_find(struct disk *disk, const struct cache_key *key, struct variant_ask *ask);

/* False: nothing of this key is on disk, nor on its way there. */
bool     disk_may_have(struct disk *disk, struct cache_hash hash);

/* Reads a record into an object with its body in memory (or `large`), the same for all who ask for it at a
 * time, which costs one read. Owner: the asker; from a true
 * disk_read_start() until is_done the read belongs to whom it was asked, and `waiter` is then woken with
 * WAKE_LETTER, on the loop that asked. Counts as a use. Purged ones are not given out; those that are
 * purged softly are, and the asker judges them (purges_judge). */
struct disk_read {
    struct disk    *disk;
    uint64_t        place;
    struct cache_key key;                /* that the record must have; text borrowed during the start */
    struct task    *waiter;              /* NULL: whoever asked has gone, the read frees itself */
    struct object  *ret_object;          /* a reference of the asker's; NULL: damaged, gone, no memory */
    bool            is_done;

    /* Of the disk tier. */
    struct job        job;
    int               result;
    char             *key_copy;
    struct disk_read *next;              /* who leads: of its bucket; who follows: the next one */
    struct disk_read *followers;
    struct object    *shared;            /* a reference for who comes when it has_come */
    bool              is_leading, has_come;
};
/* Made with mem_new(). False when it is done already (the page cache had it, or it has come for somebody else):
 * no wake comes. */
bool disk_read_start(struct disk_read *read);
/* Frees it, ret_object included (take it and set NULL to keep it), or gives it up. */
void disk_read_leave(struct disk_read **read);

/* Appends the whole object (its body in memory or `large` and finished); sets object->place when it is
 * written. Holds a reference meanwhile, and object->queued says so. Replaces what it has for the same key and
 * variant. An object is stored once. False: the writer is behind, loading, or failing; nothing is stored. */
bool disk_store(struct disk *disk, struct object *object);
/* It is used: its segment's eviction will append it anew. */
void disk_note_use(struct disk *disk, const struct object *object);
/* Appends the purge's record and syncs it; purges_add() comes first. `waiter` is woken with WAKE_LETTER
 * and is_done set, on the loop that asked. With has_failed the purge holds, but may not survive a
 * crash. The asker keeps it until is_done. */
struct disk_purge {
    struct disk  *disk;
    struct purge  purge;                 /* prefix borrowed until done */
    struct task  *waiter;                /* NULL: nobody (any more), it frees itself */
    bool          is_done, has_failed;

    /* Of the disk tier. */
    bool               is_for_nobody;    /* from the start: no loop needs to hear of it */
    struct disk_work   work;
    struct disk_purge *next;
    struct letter      letter;
    struct loop       *loop;
};
void disk_purge_start(struct disk_purge *purge);

struct disk_figures disk_figures(struct disk *disk);

#endif
