// SPDX-License-Identifier: MIT
/* Fixed-size objects, kept per thread when they are freed (at most `keep` of them). Declare one
 * `static struct pool` per kind with POOL(); the free list itself is thread-local inside, so a pool
 * needs no lock and an object may die on any thread. Under AddressSanitizer none is kept, so that
 * one which is used after its end is found. What comes from the system and goes back to it is counted
 * (base/budget.h), slabs aside: they are few and stay. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

enum { POOL_MOST_KINDS = 32 };

struct pool {
    const char *name;
    size_t      size;
    unsigned    keep;
    unsigned    slab;         /* more than 1: made so many at once, side by side, and kept for good */
    unsigned    number;       /* given at first use; 0 before */
};

#define POOL(type_name, type, keep_count) \
    { .name = type_name, .size = sizeof(type), .keep = (keep_count), .number = 0 }

/* For what lives long among things that come and go: side by side they leave whole pages of the
 * others free to go back to the system (mem_trim). */
#define POOL_OF_SLABS(type_name, type, slab_count) \
    { .name = type_name, .size = sizeof(type), .slab = (slab_count), .number = 0 }

void *pool_take(struct pool *pool) __attribute__((returns_nonnull));   /* zeroed */
void *pool_take_raw(struct pool *pool) __attribute__((returns_nonnull)); /* not zeroed */
void *pool_try_raw(struct pool *pool) WARN_UNUSED;   /* not zeroed; NULL when memory is short */
void  pool_give(struct pool *pool, void *object);                      /* NULL is allowed */

/* Gives the calling thread's resting objects of all pools back to the system, and its spares: at thread end. */
void pools_drain(void);

#endif
