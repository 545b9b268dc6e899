// SPDX-License-Identifier: MIT
/* Free lists per thread, linked through the resting objects themselves: taking and giving are a few
 * instructions without a lock. Newest first, since its bytes are likeliest to be in the CPU's cache.
 * Under AddressSanitizer nothing rests: every object goes back to its allocator, whose quarantine
 * names both the use and the end of an object that is used too late. */
#include "base/pool.h"

#include <pthread.h>
#include <string.h>
#include <threads.h>

#include "base/mem.h"
#include "base/must.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { MAY_REST = 0 };
#else
enum { MAY_REST = 1 };
#endif

struct resting {
    struct resting *next;
};

struct shelf {
    struct resting *first;
    unsigned        count;
};

static thread_local struct shelf shelves[POOL_MOST_KINDS];
static unsigned                  kinds;
static pthread_mutex_t           kinds_lock = PTHREAD_MUTEX_INITIALIZER;

/* Out of line: only the first use of a pool in the process comes here. */
static __attribute__((noinline)) unsigned number_draw(struct pool *pool)
{
    unsigned number;

    pthread_mutex_lock(&kinds_lock);
    if (pool->number == 0) {
        must(kinds + 1 < POOL_MOST_KINDS && pool->size >= sizeof(struct resting));
        __atomic_store_n(&pool->number, ++kinds, __ATOMIC_RELEASE);
    }
    number = pool->number;
    pthread_mutex_unlock(&kinds_lock);
    return number;
}

static struct shelf *shelf_of(struct pool *pool)
{
    unsigned number = __atomic_load_n(&pool->number, __ATOMIC_ACQUIRE);

    if (__builtin_expect(number == 0, 0))
        number = number_draw(pool);
    return &shelves[number];
}

void *pool_take_raw(struct pool *pool)
{
    struct shelf   *shelf = shelf_of(pool);
    struct resting *object = shelf->first;

    if (object == NULL)
        return mem_resize(NULL, pool->size);
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
    struct shelf   *shelf = shelf_of(pool);
    struct resting *resting = object;

    if (object == NULL)
        return;
    if (!MAY_REST || shelf->count >= pool->keep) {
        mem_free(object);
        return;
    }
    resting->next = shelf->first;
    shelf->first = resting;
    shelf->count++;
}

void pools_drain(void)
{
    for (unsigned i = 0; i < POOL_MOST_KINDS; i++)
        while (shelves[i].first != NULL) {
            struct resting *object = shelves[i].first;

            shelves[i].first = object->next;
            shelves[i].count--;
            mem_free(object);
        }
}
