// SPDX-License-Identifier: MIT
/* Objects by the hash of their key, in chains (object->next). Variants of a key share a chain.
 *
 * Doubles when there are more objects than chains, a few chains with each object that is added, so
 * that nobody waits for all of it. Never shrinks. Owner: a shard; under its lock. Holds no references. */
#ifndef CACHE_OBJECT_TABLE_H
#define CACHE_OBJECT_TABLE_H

#include "cache/object.h"

struct object_table {
    struct object **chains;
    uint32_t        mask;                /* chains - 1 */
    uint32_t        moved;               /* chains of `old` that have moved; 0 without */
    struct object **old;                 /* half as many, while they move; else NULL */
    size_t          count;
};

void object_table_init(struct object_table *table);
/* It must be empty. */
void object_table_done(struct object_table *table);
void object_table_add(struct object_table *table, struct object *object);
void object_table_remove(struct object_table *table, struct object *object);
/* Where the chain begins in which an object of this hash must be. */
struct object *object_table_chain(const struct object_table *table, const struct cache_hash *hash);
/* The same by number, below object_table_chains(): to visit all. What is added while one visits may or
 * may not be met, others are, some twice. */
size_t         object_table_chains(const struct object_table *table);
struct object *object_table_chain_at(const struct object_table *table, size_t number);
/* What it costs in memory, beside the objects. */
size_t         object_table_bytes(const struct object_table *table);

#endif
