// SPDX-License-Identifier: MIT
/* Which paths have answers that say No-Vary-Search, and what (query.h): a bounded table by path. What it
 * forgets, or a restart, makes misses only. Any thread. */
#ifndef CACHE_QUERIES_H
#define CACHE_QUERIES_H

#include "base/arena.h"
#include "cache/key.h"

struct queries;

struct queries *queries_new(void);
void            queries_free(struct queries **queries);
size_t          queries_bytes(struct queries *queries);  /* all its memory */
bool            queries_are_any(struct queries *queries);
/* The spec of the path with this hash, copied into the arena; TEXT_NONE: it has none. */
struct text     queries_find(struct queries *queries, uint64_t path, struct arena *arena);
/* From now on; TEXT_NONE: none any more. */
void            queries_set(struct queries *queries, uint64_t path, struct text spec);

#endif
