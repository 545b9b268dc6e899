// SPDX-License-Identifier: MIT
/* Linear probing in a table that is at most three quarters full; removal shifts the cluster back, so
 * there are no tombstones and a table that is added to and removed from for ever stays as it is. Each
 * slot keeps its hash: growing need not read the keys, and a probe compares bytes only on a match. */
#include "base/map.h"

#include <stdint.h>

#include "base/hash.h"
#include "base/mem.h"

enum { FIRST_SLOTS = 16 };

struct slot {
    struct text key;
    uint64_t    hash;
    void       *value;                   /* NULL: free */
};

struct map {
    struct slot *slots;
    size_t       size, count;            /* size is a power of two */
    bool         is_nocase;
};

struct map *map_new(bool is_nocase)
{
    struct map *map = mem_new(sizeof(*map));

    map->size = FIRST_SLOTS;
    map->slots = mem_new(map->size * sizeof(map->slots[0]));
    map->is_nocase = is_nocase;
    return map;
}

void map_free(struct map **map)
{
    struct map *dead = *map;

    *map = NULL;
    if (dead == NULL)
        return;
    mem_free(dead->slots);
    mem_free(dead);
}

static uint64_t hash_of(const struct map *map, struct text key)
{
    return map->is_nocase ? hash_text_nocase(key) : hash_text(key);
}

static bool is_same(const struct map *map, struct text a, struct text b)
{
    return map->is_nocase ? text_is_equal_nocase(a, b) : text_is_equal(a, b);
}

/* The key's slot, or the free one where it belongs. */
static struct slot *slot_find(const struct map *map, struct text key, uint64_t hash)
{
    size_t at = (size_t)hash & (map->size - 1);

    while (map->slots[at].value != NULL &&
           !(map->slots[at].hash == hash && is_same(map, map->slots[at].key, key)))
        at = (at + 1) & (map->size - 1);
    return &map->slots[at];
}

static void grow(struct map *map)
{
    struct slot *old = map->slots;
    size_t       old_size = map->size;

    map->size *= 2;
    map->slots = mem_new(map->size * sizeof(map->slots[0]));
    for (size_t i = 0; i < old_size; i++)
        if (old[i].value != NULL)
            *slot_find(map, old[i].key, old[i].hash) = old[i];
    mem_free(old);
}

void *map_get(const struct map *map, struct text key)
{
    return map->count == 0 ? NULL : slot_find(map, key, hash_of(map, key))->value;
}

bool map_add(struct map *map, struct text key, void *value)
{
    uint64_t     hash = hash_of(map, key);
    struct slot *slot;

    must(value != NULL);
    if ((map->count + 1) * 4 > map->size * 3)
        grow(map);
    slot = slot_find(map, key, hash);
    if (slot->value != NULL)
        return false;
    *slot = (struct slot){ .key = key, .hash = hash, .value = value };
    map->count++;
    return true;
}

void *map_remove(struct map *map, struct text key)
{
    size_t       mask = map->size - 1, hole, at;
    struct slot *slot = slot_find(map, key, hash_of(map, key));
    void        *value = slot->value;

    if (value == NULL)
        return NULL;
    map->count--;
    hole = (size_t)(slot - map->slots);
    for (at = (hole + 1) & mask; map->slots[at].value != NULL; at = (at + 1) & mask) {
        size_t home = (size_t)map->slots[at].hash & mask;

        /* It may move into the hole unless its home lies behind the hole. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole].value = NULL;
    return value;
}

size_t map_count(const struct map *map)
{
    return map->count;
}

bool map_next(const struct map *map, size_t *cursor, struct text *ret_key, void **ret_value)
{
    for (; *cursor < map->size; ++*cursor) {
        const struct slot *slot = &map->slots[*cursor];

        if (slot->value == NULL)
            continue;
        *ret_key = slot->key;
        *ret_value = slot->value;
        ++*cursor;
        return true;
    }
    return false;
}
