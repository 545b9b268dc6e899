// SPDX-License-Identifier: MIT
/* Open-addressing hash map from text to pointer, keyed with siphash and a per-process secret.
 * Keys are borrowed: they must outlive the map. Values are the caller's and never NULL.
 * Owner: the caller; one writer, or many readers. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

struct map;

struct map *map_new(bool is_nocase);
void        map_free(struct map **map);
void       *map_get(const struct map *map, struct text key);           /* NULL: absent */
/* False, and nothing is changed, when the key is there already. */
bool        map_add(struct map *map, struct text key, void *value);
void       *map_remove(struct map *map, struct text key);              /* the value, or NULL */
size_t      map_count(const struct map *map);
/* Walks in no particular order: start with *cursor = 0; false at the end. */
bool        map_next(const struct map *map, size_t *cursor, struct text *ret_key, void **ret_value);

#endif
