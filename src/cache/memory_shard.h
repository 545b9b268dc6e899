// SPDX-License-Identifier: MIT
/* One shard of the memory tier: a table of objects and the two queues of S3-FIFO.
 *
 * New objects enter the small queue. At its end, those that were asked for in the meantime go on to the
 * main queue, the others leave, and a ghost stays. At the end of the main queue those that were asked
 * for go round again, with one use less. Nothing here locks but shard_lock(): everything else is
 * called with it held. Owner: struct memory; the shard holds a reference to each object in it. */
#ifndef CACHE_MEMORY_SHARD_H
#define CACHE_MEMORY_SHARD_H

#include <pthread.h>

#include "cache/ghosts.h"
#include "cache/object.h"
#include "cache/object_table.h"

enum shard_queue { QUEUE_NONE = 0, QUEUE_SMALL, QUEUE_MAIN, QUEUE_COUNT };

struct object_queue {
    struct object *newest, *oldest;
    size_t         bytes;                /* of the objects */
};

struct shard_figures {
    uint64_t hits, misses, inserted, evicted, ghost_hits;
};

struct memory_shard {
    _Alignas(64) pthread_mutex_t lock;
    struct object_table  table;
    struct shard_figures figures;
    struct object_queue  queues[QUEUE_COUNT];
    struct ghosts        ghosts;
};

/* Objects on their way out; whoever has collected them drops the references after the lock. */
enum { SHARD_LEAVING_MOST = 64 };
struct shard_leaving {
    struct object *objects[SHARD_LEAVING_MOST];
    bool           was_used[SHARD_LEAVING_MOST];     /* asked for while it was here */
    unsigned       count;
};

void shard_init(struct memory_shard *shard);
/* It must be empty. */
void shard_done(struct memory_shard *shard);

/* Of the objects; and of what is needed to keep them. */
size_t shard_object_bytes(const struct memory_shard *shard);
size_t shard_overhead(const struct memory_shard *shard);

/* Takes a reference, into the main queue if its ghost is here, else into the small one. */
void shard_add(struct memory_shard *shard, struct object *object);
/* The same in place of `former`, which leaves: in its queue, with its uses. */
void shard_replace(struct memory_shard *shard, struct object *former, struct object *object);
/* Its reference is the caller's now. */
void shard_remove(struct memory_shard *shard, struct object *object);
/* It was asked for. */
void shard_use(struct object *object);
/* Some steps of eviction, until `bytes` are free; what leaves is collected. False: nothing is left, or all
 * that these steps came by waits to be written. */
bool shard_evict(struct memory_shard *shard, size_t bytes, struct shard_leaving *leaving);

#endif
