// SPDX-License-Identifier: MIT
/* While it doubles, chains below `moved` of the old half are in the new one, each split in two; the
 * others still are where they were, and what is added to them goes there. A chain of the new half is
 * not looked at before it was split into, so new memory need not be cleared. */
#include "cache/object_table.h"

#include <string.h>

#include "base/mem.h"

/* Two a step would do to be done before the next doubling; four leave room. */
enum { CHAINS_FIRST = 16, CHAINS_PER_STEP = 4 };

void object_table_init(struct object_table *table)
{
    *table = (struct object_table){
        .chains = mem_new(CHAINS_FIRST * sizeof(struct object *)),
        .mask = CHAINS_FIRST - 1,
    };
}

void object_table_done(struct object_table *table)
{
    must(table->count == 0);
    MEM_FREE(&table->chains);
    MEM_FREE(&table->old);
}

static struct object **chain_of(const struct object_table *table, uint64_t low)
{
    uint32_t old_number = (uint32_t)low & (table->mask >> 1);

    if (table->old != NULL && old_number >= table->moved)
        return &table->old[old_number];
    return &table->chains[(uint32_t)low & table->mask];
}

static void split(struct object_table *table, uint32_t number)
{
    struct object *object = table->old[number], *next;

    table->chains[number] = NULL;
    table->chains[number + (table->mask >> 1) + 1] = NULL;
    for (; object != NULL; object = next) {
        struct object **chain = &table->chains[(uint32_t)object->hash.low & table->mask];
        next = object->next;
        object->next = *chain;
        *chain = object;
    }
}

static void move_some(struct object_table *table)
{
    for (unsigned i = 0; i < CHAINS_PER_STEP && table->moved <= table->mask >> 1; i++)
        split(table, table->moved++);
    if (table->moved > table->mask >> 1) {
        MEM_FREE(&table->old);
        table->moved = 0;
    }
}

/* Without memory the chains get longer. */
static void double_begin(struct object_table *table)
{
    size_t          count = ((size_t)table->mask + 1) * 2;
    struct object **chains = count > UINT32_MAX ? NULL : mem_try(count * sizeof(*chains));

    if (chains == NULL)
        return;
    table->old = table->chains;
    table->chains = chains;
    table->mask = (uint32_t)(count - 1);
}

void object_table_add(struct object_table *table, struct object *object)
{
    struct object **chain;

    if (table->old == NULL && table->count > table->mask)
        double_begin(table);
    if (table->old != NULL)
        move_some(table);
    chain = chain_of(table, object->hash.low);
    object->next = *chain;
    *chain = object;
    table->count++;
}

void object_table_remove(struct object_table *table, struct object *object)
{
    struct object **at = chain_of(table, object->hash.low);

    while (*at != object)
        at = &(*at)->next;
    *at = object->next;
    object->next = NULL;
    table->count--;
}

struct object *object_table_chain(const struct object_table *table, const struct cache_hash *hash)
{
    return *chain_of(table, hash->low);
}

size_t object_table_chains(const struct object_table *table)
{
    return (size_t)table->mask + 1;
}

struct object *object_table_chain_at(const struct object_table *table, size_t number)
{
    return *chain_of(table, number);
}

size_t object_table_bytes(const struct object_table *table)
{
    size_t chains = object_table_chains(table);
    size_t bytes = object_allocated(chains * sizeof(struct object *));

    return table->old == NULL ? bytes
                              : bytes + object_allocated(chains / 2 * sizeof(struct object *));
}
