// SPDX-License-Identifier: MIT
/* Free lists per thread, linked through the resting objects themselves. */
#include "base/pool.h"

#include <pthread.h>
#include <string.h>
#include <threads.h>

#include "base/mem.h"
#include "base/must.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(object, size) ASAN_POISON_MEMORY_REGION(object, size)
#define UNPOISON(object, size) ASAN_UNPOISON_MEMORY_REGION(object, size)
#else
#define POISON(object, size) ((void)(object), (void)(size))
#define UNPOISON(object, size) ((void)(object), (void)(size))
#endif

struct resting {
    struct resting *next;
};

struct shelf {
    struct resting *first;
    unsigned        count;
    size_t          size;
};

static thread_local struct shelf shelves[POOL_MOST_KINDS];
static unsigned                  kinds;
static pthread_mutex_t           kinds_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned number_of(struct pool *pool)
{
    unsigned number = __atomic_load_n(&pool->number, __ATOMIC_ACQUIRE);

    if (number > 0)
        return number;
    pthread_mutex_lock(&kinds_lock);
    if (pool->number == 0) {
        must(kinds + 1 < POOL_MOST_KINDS && pool->size >= sizeof(struct resting));
        __atomic_store_n(&pool->number, ++kinds, __ATOMIC_RELEASE);
    }
    number = pool->number;
    pthread_mutex_unlock(&kinds_lock);
    return number;
}

void *pool_take_raw(struct pool *pool)
{
    struct shelf   *shelf = &shelves[number_of(pool)];
    struct resting *object = shelf->first;

    if (object == NULL)
        return mem_new(pool->size);
    UNPOISON(object, pool->size);
    shelf->first = object->next;
    shelf->count--;
    return object;
}

void *pool_take(struct pool *pool)
{
    return memset(pool_take_raw(pool), 0, pool->size);
}

void pool_give(struct pool *pool, void *object)
{
    struct shelf   *shelf = &shelves[number_of(pool)];
    struct resting *resting = object;

    if (object == NULL)
        return;
    if (shelf->count >= pool->keep) {
        mem_free(object);
        return;
    }
    shelf->size = pool->size;
    resting->next = shelf->first;
    shelf->first = resting;
    shelf->count++;
    POISON(object, pool->size);
}

void pools_drain(void)
{
    for (unsigned i = 0; i < POOL_MOST_KINDS; i++)
        while (shelves[i].first != NULL) {
            struct resting *object = shelves[i].first;

            UNPOISON(object, shelves[i].size);
            shelves[i].first = object->next;
            shelves[i].count--;
            mem_free(object);
        }
}
