// SPDX-License-Identifier: MIT
/* The small queue may have a tenth of the shard's bytes. What it has beyond that goes first, so while
 * the cache is new, when all is in the small queue, it is a plain queue with a second chance. */
#include "cache/memory_shard.h"

#include <xxhash.h>

#include "base/must.h"

enum { USES_MOST = 3, SMALL_SHARE = 10, STEPS_MOST = 256 };

void shard_init(struct memory_shard *shard)
{
    must(pthread_mutex_init(&shard->lock, NULL) == 0);
    object_table_init(&shard->table);
    ghosts_init(&shard->ghosts);
}

void shard_done(struct memory_shard *shard)
{
    object_table_done(&shard->table);
    ghosts_done(&shard->ghosts);
    pthread_mutex_destroy(&shard->lock);
}

size_t shard_object_bytes(const struct memory_shard *shard)
{
    return shard->queues[QUEUE_SMALL].bytes + shard->queues[QUEUE_MAIN].bytes;
}

size_t shard_overhead(const struct memory_shard *shard)
{
    return sizeof(*shard) + object_table_bytes(&shard->table) + ghosts_bytes(&shard->ghosts);
}

/* ---- queues ---- */

static void queue_put(struct memory_shard *shard, struct object *object, enum shard_queue number)
{
    struct object_queue *queue = &shard->queues[number];

    object->queue = (uint8_t)number;
    object->newer = NULL;
    object->older = queue->newest;
    if (queue->newest != NULL)
        queue->newest->newer = object;
    else
        queue->oldest = object;
    queue->newest = object;
    queue->bytes += object_bytes(object);
}

static void queue_take(struct memory_shard *shard, struct object *object)
{
    struct object_queue *queue = &shard->queues[object->queue];

    *(object->newer == NULL ? &queue->newest : &object->newer->older) = object->older;
    *(object->older == NULL ? &queue->oldest : &object->older->newer) = object->newer;
    queue->bytes -= object_bytes(object);
    object->queue = QUEUE_NONE;
    object->newer = object->older = NULL;
}

/* ---- in and out ---- */

/* Of the key and the variant: what comes back must be the same of both. */
static uint32_t ghost_mark(const struct object *object)
{
    uint64_t    mark = object->hash.high >> 32;
    struct text variant = object_variant(object);

    if (variant.len > 0)
        mark ^= XXH3_64bits(variant.ptr, variant.len);
    return (uint32_t)mark;
}

static void put(struct memory_shard *shard, struct object *object, enum shard_queue queue)
{
    object_table_add(&shard->table, object_ref(object));
    queue_put(shard, object, queue);
    ghosts_fit(&shard->ghosts, shard->table.count);
    shard->figures.inserted++;
}

void shard_add(struct memory_shard *shard, struct object *object)
{
    bool is_back = ghosts_take(&shard->ghosts, ghost_mark(object));

    shard->figures.ghost_hits += is_back;
    atomic_store_explicit(&object->uses, 0, memory_order_relaxed);
    put(shard, object, is_back ? QUEUE_MAIN : QUEUE_SMALL);
}

void shard_remove(struct memory_shard *shard, struct object *object)
{
    object_table_remove(&shard->table, object);
    queue_take(shard, object);
}

void shard_replace(struct memory_shard *shard, struct object *former, struct object *object)
{
    const enum shard_queue queue = (enum shard_queue)former->queue;

    atomic_store_explicit(&object->uses, atomic_load_explicit(&former->uses, memory_order_relaxed),
                          memory_order_relaxed);
    shard_remove(shard, former);
    put(shard, object, queue);
}

/* Only the lock's holder writes; a hot object has all its uses and is not written at all. */
void shard_use(struct object *object)
{
    unsigned char uses = atomic_load_explicit(&object->uses, memory_order_relaxed);

    if (uses < USES_MOST)
        atomic_store_explicit(&object->uses, (unsigned char)(uses + 1), memory_order_relaxed);
}

/* ---- eviction ---- */

static void go_on(struct memory_shard *shard, struct object *object, unsigned char uses)
{
    atomic_store_explicit(&object->uses, uses, memory_order_relaxed);
    queue_take(shard, object);
    queue_put(shard, object, QUEUE_MAIN);
}

static void leave(struct memory_shard *shard, struct object *object, struct shard_leaving *leaving)
{
    leaving->was_used[leaving->count] = object->queue == QUEUE_MAIN;
    if (object->queue == QUEUE_SMALL)
        ghosts_add(&shard->ghosts, ghost_mark(object));
    shard_remove(shard, object);
    leaving->objects[leaving->count++] = object;
    shard->figures.evicted++;
}

static bool is_queued(const struct object *object)
{
    return atomic_load_explicit(&object->queued, memory_order_relaxed) != OBJECT_UNQUEUED;
}

/* Leaves, or goes on; as if it had been asked for while it waits to be written. False: nothing came of it. */
static bool evict_one(struct memory_shard *shard, struct object *object,
                      struct shard_leaving *leaving)
{
    unsigned char uses = atomic_load_explicit(&object->uses, memory_order_relaxed);
    bool          is_small = object->queue == QUEUE_SMALL, leaves = uses == 0 && !is_queued(object);

    if (leaves)
        leave(shard, object, leaving);
    else
        go_on(shard, object, is_small || uses == 0 ? 0 : (unsigned char)(uses - 1));
    return leaves || is_small || uses > 0;
}

/* The oldest of the small queue while that has more than its share, else of the main one. */
static struct object *next_of(const struct memory_shard *shard)
{
    const struct object_queue *small = &shard->queues[QUEUE_SMALL], *main = &shard->queues[QUEUE_MAIN];

    if (main->oldest == NULL || small->bytes > shard_object_bytes(shard) / SMALL_SHARE)
        return small->oldest;
    return main->oldest;
}

bool shard_evict(struct memory_shard *shard, size_t bytes, struct shard_leaving *leaving)
{
    size_t         held = shard_object_bytes(shard), wanted = held > bytes ? held - bytes : 0;
    struct object *object = next_of(shard);
    bool           has_done = false;

    for (unsigned step = 0; object != NULL && step < STEPS_MOST; step++) {
        has_done |= evict_one(shard, object, leaving);
        if (shard_object_bytes(shard) <= wanted || leaving->count == SHARD_LEAVING_MOST)
            break;
        object = next_of(shard);
    }
    return has_done;
}
