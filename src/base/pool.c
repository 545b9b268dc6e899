// SPDX-License-Identifier: MIT
/* Free lists per thread, linked through the resting objects themselves: taking and giving are a few
 * instructions without a lock. Newest first, since its bytes are likeliest to be in the CPU's cache.
 * Under AddressSanitizer nothing rests (may_rest.h). */
#include "base/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <threads.h>

#include "base/budget.h"
#include "base/may_rest.h"
#include "base/mem.h"
#include "base/spare.h"

struct resting {
    struct resting *next;
};

struct shelf {
    struct resting *first;
    unsigned        count;
    bool            is_of_slabs;
};

static thread_local struct shelf shelves[POOL_MOST_KINDS];
static unsigned                  kinds;
static size_t                    sizes[POOL_MOST_KINDS];
static pthread_mutex_t           kinds_lock = PTHREAD_MUTEX_INITIALIZER;

static void shelf_put(struct shelf *shelf, void *object)
{
    struct resting *resting = object;

    resting->next = shelf->first;
    shelf->first = resting;
    shelf->count++;
}

/* Out of line: only the first use of a pool in the process comes here. */
static __attribute__((noinline)) unsigned number_draw(struct pool *pool)
{
    unsigned number;

    pthread_mutex_lock(&kinds_lock);
    if (pool->number == 0) {
        must(kinds + 1 < POOL_MOST_KINDS && pool->size >= sizeof(struct resting));
        sizes[++kinds] = pool->size;
        __atomic_store_n(&pool->number, kinds, __ATOMIC_RELEASE);
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

/* The first object of a new slab; the others go to the shelf. */
static __attribute__((noinline)) void *slab_make(const struct pool *pool, struct shelf *shelf)
{
    enum { ALIGNMENT = 16 };
    size_t size = (pool->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char  *slab = mem_resize(NULL, size * pool->slab);

    shelf->is_of_slabs = true;
    for (unsigned i = 1; i < pool->slab; i++)
        shelf_put(shelf, slab + i * size);
    return slab;
}

static __attribute__((noinline)) void *object_make(const struct pool *pool, struct shelf *shelf)
{
    if (pool->slab > 1 && MAY_REST)
        return slab_make(pool, shelf);
    budget_add((int64_t)pool->size);
    return mem_resize(NULL, pool->size);
}

static __attribute__((noinline)) void object_end(const struct pool *pool, void *object)
{
    budget_add(-(int64_t)pool->size);
    mem_free(object);
}

static void *shelf_take(struct shelf *shelf)
{
    struct resting *object = shelf->first;

    if (object == NULL)
        return NULL;
    shelf->first = object->next;
    shelf->count--;
    return object;
}

void *pool_take_raw(struct pool *pool)
{
    struct shelf *shelf = shelf_of(pool);
    void         *object = shelf_take(shelf);

    return object != NULL ? object : object_make(pool, shelf);
}

void *pool_try_raw(struct pool *pool)
{
    void *object = shelf_take(shelf_of(pool));

    if (object != NULL || (object = mem_try(pool->size)) == NULL)
        return object;
    budget_add((int64_t)pool->size);
    return object;
}

void *pool_take(struct pool *pool)
{
    return memset(pool_take_raw(pool), 0, pool->size);
}

void pool_give(struct pool *pool, void *object)
{
    struct shelf *shelf = shelf_of(pool);

    if (object == NULL)
        return;
    if (!MAY_REST || (pool->slab <= 1 && shelf->count >= pool->keep)) {
        object_end(pool, object);
        return;
    }
    shelf_put(shelf, object);
}

void pools_drain(void)
{
    for (unsigned i = 0; i < POOL_MOST_KINDS; i++)
        while (shelves[i].first != NULL && !shelves[i].is_of_slabs) {
            budget_add(-(int64_t)sizes[i]);
            mem_free(shelf_take(&shelves[i]));
        }
    spares_drain();
    budget_settle();
}
