// SPDX-License-Identifier: MIT
/* Hash tables with chains. Buckets are as many as half of the smallest keys that fit and never grow;
 * entries come from malloc, so a zone that is little used takes little. */
#include "limit/table.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

enum {
    SHARD_BYTES = 256 * 1024,            /* at least, so that the longest key has room */
    SHARDS_MOST = 16,
    BUCKETS_LEAST = 16,
    BUCKETS_MOST = 64 * 1024,
    SHARD_SHIFT = 56                     /* buckets go by the hash's low bits */
};

struct shard {
    pthread_mutex_t lock;                /* of all that follows */
    struct table  *table;
    struct entry **buckets;
    struct link    ages;                 /* youngest first */
    uint64_t       used, keys;
    struct table_counts counts;
};

struct table {
    size_t       least_bytes;
    uint64_t     shard_bytes;
    unsigned     shard_count, bucket_count;   /* powers of two */
    struct shard shards[];
};

static unsigned power_of_two(uint64_t number, unsigned least, unsigned most)
{
    unsigned power = least;

    while (power < most && power * UINT64_C(2) <= number)
        power *= 2;
    return power;
}

struct table *table_new(uint64_t bytes, size_t least_bytes)
{
    unsigned      count = power_of_two(bytes / SHARD_BYTES, 1, SHARDS_MOST);
    struct table *table = mem_new(sizeof(*table) + count * sizeof(struct shard));

    table->least_bytes = least_bytes;
    table->shard_count = count;
    table->shard_bytes = bytes / count;
    table->bucket_count =
        power_of_two(table->shard_bytes / least_bytes / 2, BUCKETS_LEAST, BUCKETS_MOST);
    for (unsigned i = 0; i < count; i++) {
        struct shard *shard = &table->shards[i];

        must(pthread_mutex_init(&shard->lock, NULL) == 0);
        shard->table = table;
        shard->buckets = mem_new(table->bucket_count * sizeof(*shard->buckets));
        list_init(&shard->ages);
    }
    return table;
}

void table_free(struct table **table)
{
    struct table *dead = *table;

    *table = NULL;
    for (unsigned i = 0; i < dead->shard_count; i++) {
        struct shard *shard = &dead->shards[i];

        while (!list_is_empty(&shard->ages))
            table_remove(shard, table_oldest(shard));
        mem_free(shard->buckets);
        (void)pthread_mutex_destroy(&shard->lock);
    }
    mem_free(dead);
}

struct shard *table_enter(struct table *table, uint64_t hash)
{
    struct shard *shard = &table->shards[(hash >> SHARD_SHIFT) & (table->shard_count - 1)];

    (void)pthread_mutex_lock(&shard->lock);
    return shard;
}

void table_leave(struct shard *shard)
{
    (void)pthread_mutex_unlock(&shard->lock);
}

struct table_counts *table_counts(struct shard *shard)
{
    return &shard->counts;
}

static struct entry **bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->buckets[hash & (shard->table->bucket_count - 1)];
}

struct entry *table_find(struct shard *shard, uint64_t hash, struct text key)
{
    for (struct entry *entry = *bucket_of(shard, hash); entry != NULL; entry = entry->next)
        if (entry->hash == hash && text_is_equal(text_of(entry->key, entry->key_len), key))
            return entry;
    return NULL;
}

static uint64_t cost(const struct shard *shard, size_t key_len)
{
    uint64_t needed = sizeof(struct entry) + key_len, bytes = shard->table->least_bytes;

    while (bytes < needed)
        bytes *= 2;
    return bytes;
}

struct entry *table_add(struct shard *shard, uint64_t hash, struct text key)
{
    struct entry **bucket = bucket_of(shard, hash), *entry;
    uint64_t       bytes = cost(shard, key.len);

    if (shard->used + bytes > shard->table->shard_bytes)
        return NULL;
    entry = mem_try(sizeof(*entry) + key.len);
    if (entry == NULL)
        return NULL;
    *entry = (struct entry){ .next = *bucket, .hash = hash, .key_len = (uint32_t)key.len };
    memcpy(entry->key, key.ptr, key.len);
    *bucket = entry;
    list_prepend(&shard->ages, &entry->age);
    shard->used += bytes;
    shard->keys++;
    return entry;
}

void table_renew(struct shard *shard, struct entry *entry)
{
    list_remove(&entry->age);
    list_prepend(&shard->ages, &entry->age);
}

struct entry *table_oldest(struct shard *shard)
{
    return list_is_empty(&shard->ages) ? NULL : container_of(shard->ages.prev, struct entry, age);
}

void table_remove(struct shard *shard, struct entry *entry)
{
    struct entry **at = bucket_of(shard, entry->hash);

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    list_remove(&entry->age);
    shard->used -= cost(shard, entry->key_len);
    shard->keys--;
    mem_free(entry);
}

static void figures_add(struct table_figures *figures, const struct shard *shard)
{
    figures->keys += shard->keys;
    figures->bytes += shard->used;
    figures->most += shard->table->shard_bytes;
    figures->counts.asked += shard->counts.asked;
    figures->counts.delayed += shard->counts.delayed;
    figures->counts.refused += shard->counts.refused;
    figures->counts.no_room += shard->counts.no_room;
}

struct table_figures table_figures(struct table *table)
{
    struct table_figures figures = { .keys = 0 };

    for (unsigned i = 0; i < table->shard_count; i++) {
        (void)pthread_mutex_lock(&table->shards[i].lock);
        figures_add(&figures, &table->shards[i]);
        (void)pthread_mutex_unlock(&table->shards[i].lock);
    }
    return figures;
}
