// SPDX-License-Identifier: MIT
/* What waits for the thread that writes a cache on disk: in order of arrival, bounded by bytes. Any
 * thread puts, the writing one takes. */
#ifndef CACHE_DISK_QUEUE_H
#define CACHE_DISK_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct disk;

/* Embedded in what is to be done. Owner: the queue until run(), which ends it. */
struct disk_work {
    struct disk_work *next;
    void            (*run)(struct disk *disk, struct disk_work *work);
};

struct disk_queue {
    pthread_mutex_t       lock;
    pthread_cond_t        work;
    struct disk_work     *first, *last;
    atomic_uint_least64_t bytes;
    atomic_uint           unwritten;     /* works that wait, or whose bytes are not written yet */
    bool                  is_closed;     /* nothing more is taken in */
};

void disk_queue_init(struct disk_queue *queue);
void disk_queue_done(struct disk_queue *queue);
/* False: closed. The bound is the caller's to look at (disk_queue_bytes()). */
bool disk_queue_put(struct disk_queue *queue, struct disk_work *work);
/* All that waits, as a list; waits for something to come for at most `wait_ms`. NULL: nothing came, or
 * the queue was closed. */
struct disk_work *disk_queue_take(struct disk_queue *queue, int64_t wait_ms);
/* Bytes that wait to be written: counted in, and free again. */
void     disk_queue_reserve(struct disk_queue *queue, uint64_t bytes);
void     disk_queue_release(struct disk_queue *queue, uint64_t bytes);
uint64_t disk_queue_bytes(const struct disk_queue *queue);
/* So many works were run and all that came of them is written, and in the index. */
void     disk_queue_written(struct disk_queue *queue, unsigned count);
unsigned disk_queue_unwritten(const struct disk_queue *queue);
void     disk_queue_close(struct disk_queue *queue);
bool     disk_queue_is_closed(struct disk_queue *queue);

#endif
