// SPDX-License-Identifier: MIT
/* Who was evicted of late: fingerprints, four bytes each, no keys.
 *
 * Sets of eight, found by the fingerprint itself; each set is a ring in the order of eviction, so the
 * whole forgets about as one ring of that size would. Two things that fall together cost an object a
 * better place than it has earned, nothing else. Owner: a shard; under its lock. */
#ifndef CACHE_GHOSTS_H
#define CACHE_GHOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GHOSTS_PER_SET = 8 };

struct ghosts {
    uint32_t *marks;                     /* 0: none; the first of a set is the latest */
    uint32_t  sets;                      /* a power of two */
};

void ghosts_init(struct ghosts *ghosts);
void ghosts_done(struct ghosts *ghosts);
/* Room for as many as there are objects; doubles when there are more (without memory it stays). */
void ghosts_fit(struct ghosts *ghosts, size_t count);
void ghosts_add(struct ghosts *ghosts, uint32_t mark);
/* Is it there? Then no more. */
bool ghosts_take(struct ghosts *ghosts, uint32_t mark);
/* What they cost in memory. */
size_t ghosts_bytes(const struct ghosts *ghosts);

#endif
