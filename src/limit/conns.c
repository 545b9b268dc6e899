// SPDX-License-Identifier: MIT
/* A key is in the table while anybody has a place, so nothing is ever forgotten to make room. */
#include "limit/conns.h"

#include "base/hash.h"

static enum conns_verdict take(struct shard *shard, uint64_t hash, struct text key, uint32_t most,
                               struct entry **ret_entry)
{
    struct entry *entry = table_find(shard, hash, key);

    if (entry != NULL && entry->held >= most)
        return CONNS_FULL;
    if (entry == NULL)
        entry = table_add(shard, hash, key);
    if (entry == NULL)
        return CONNS_NO_ROOM;
    entry->held++;
    *ret_entry = entry;
    return CONNS_TAKEN;
}

enum conns_verdict conns_take(const struct limit_conn *limit, struct text key,
                              struct conns_place *ret_place)
{
    uint64_t           hash = hash_text(key);
    struct table      *table = limit->zone->table;
    struct shard      *shard = table_enter(table, hash);
    enum conns_verdict verdict = take(shard, hash, key, limit->most, &ret_place->entry);
    struct table_counts *counts = table_counts(shard);

    counts->asked++;
    counts->refused += verdict == CONNS_FULL;
    counts->no_room += verdict == CONNS_NO_ROOM;
    table_leave(shard);
    ret_place->table = table;
    return verdict;
}

void conns_give(struct conns_place *place)
{
    struct shard *shard = table_enter(place->table, place->entry->hash);

    if (--place->entry->held == 0)
        table_remove(shard, place->entry);
    table_leave(shard);
    place->entry = NULL;
}
