// SPDX-License-Identifier: MIT
/* Bodies too large for the memory tier, each in a file of its own that the disk tier keeps.
 *
 * A body in the making is appended to by its maker and readable as far as it is written. The last
 * reference to one that no record names deletes the file. Counted; any thread. */
#ifndef CACHE_LARGE_BODY_H
#define CACHE_LARGE_BODY_H

#include "base/block.h"
#include "net/jobs.h"
#include "net/task.h"

struct disk;
struct lane;
struct large_body;

struct large_body *large_body_new(struct disk *disk);                 /* NULL: no room, failing */
struct large_body *large_body_ref(struct large_body *body);
void               large_body_unref(struct large_body *body);        /* the last one, unstored: deletes it */
/* Takes the slice. False: failed (disk full): what was written stays readable, nothing is added. */
bool               large_body_append(struct large_body *body, struct slice slice);
/* Bytes given but not yet written: for backpressure. */
uint64_t           large_body_pending(const struct large_body *body);
/* Bytes that may be read; grows until finished. `progress` of large_body_watch() tells. */
uint64_t           large_body_written(const struct large_body *body);
/* Called on the thread that writes after each write (and failure), without a lock that the other calls
 * take, but unwatch. Before anything is appended; takes no lock itself, so it may be called under one that
 * `progress` takes. */
void               large_body_watch(struct large_body *body, void (*progress)(void *arg), void *arg);
/* No more, and none is under way on return. Not from within, nor under a lock that `progress` takes. */
void               large_body_unwatch(struct large_body *body);
/* No more will come; with progress told when all is on disk and checksummed. */
void               large_body_finish(struct large_body *body);
bool               large_body_is_whole(const struct large_body *body);
/* It could not be written, or is no longer what was written: not for another answer. */
bool               large_body_has_failed(const struct large_body *body);

struct large_read {
    struct large_body *body;             /* a reference of the read's */
    uint64_t           from;
    uint32_t           want;             /* at most OBJECT_SLICE_BYTES * 4; less may come, up to a part's end */
    struct task       *waiter;
    struct slice       ret_slice;        /* a reference of the asker's; len 0: failed or damaged */
    bool               is_done;

    /* Of the disk tier. */
    struct job         job;
};
/* Moves bytes to the lane without looking at them, if they were checked before, nobody has changed the file
 * since, and they lie in the page cache. How many; 0: they are to be read. */
size_t large_body_splice(struct large_body *body, uint64_t from, uint64_t most, struct lane *lane);
/* As disk_read_start(), disk_read_leave(); the latter drops the body's reference and the slice's. Checked
 * against the checksums when a part is read for the first time, and again when anybody has changed the file
 * since; what is still being written, when anybody but us has. */
bool large_read_start(struct large_read *read);
void large_read_leave(struct large_read **read);

#endif
