// SPDX-License-Identifier: MIT
/* Keys with a few numbers behind each, in bounded memory, for all loops.
 *
 * A table is cut into shards by the key's hash, each with its own lock, its share of the bytes and its
 * own order of age. Everything but table_new() and table_free() happens between table_enter() and
 * table_leave(), which hold the shard's lock: short, and never two at a time. */
#ifndef LIMIT_TABLE_H
#define LIMIT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/text.h"

struct table;
struct shard;

/* A key's numbers. Owner: the table. Whoever holds one (held > 0) may keep the pointer outside of the
 * lock, since it is not forgotten then. */
struct entry {
    struct entry *next;                  /* of its bucket */
    struct link   age;
    uint64_t      hash;
    uint64_t      excess;                /* requests: thousandths */
    int64_t       last_ms;               /* requests: when excess was right */
    uint32_t      held;                  /* requests: by those who still decide; conns: the count */
    uint32_t      key_len;
    char          key[];
};

/* A key takes its bytes rounded up to a power of two, at least `least_bytes`. */
struct table *table_new(uint64_t bytes, size_t least_bytes);
/* Nobody may be in it. */
void          table_free(struct table **table);

/* Locks the shard where a key with this hash_text() is. */
struct shard *table_enter(struct table *table, uint64_t hash);
void          table_leave(struct shard *shard);

/* What came of those who asked, in this shard; only grows. */
struct table_counts {
    uint64_t asked, delayed, refused, no_room;
};
struct table_counts *table_counts(struct shard *shard);

/* NULL: not there. */
struct entry *table_find(struct shard *shard, uint64_t hash, struct text key);
/* A new one, youngest of all, its numbers 0. NULL: no room. */
struct entry *table_add(struct shard *shard, uint64_t hash, struct text key);
/* It is the youngest now. */
void          table_renew(struct shard *shard, struct entry *entry);
/* NULL: there is none. */
struct entry *table_oldest(struct shard *shard);
void          table_remove(struct shard *shard, struct entry *entry);

struct table_figures {
    uint64_t            keys, bytes, most;
    struct table_counts counts;
};
/* Of all shards, one after the other. Any thread. */
struct table_figures table_figures(struct table *table);

#endif
