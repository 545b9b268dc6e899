// SPDX-License-Identifier: MIT
/* Shards of hash tables with a ring each, the latest first. Times are those of the monotonic clock, since
 * what is remembered does not outlive the process. */
#include "tls/resumables.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"

enum { SHARDS = 16, ENTRY_GUESS = 512 };   /* bytes, to have as many buckets as entries */

struct entry {
    struct entry *next;                    /* in its bucket */
    struct link   ring;
    uint64_t      hash;
    int64_t       until_ms;
    uint32_t      id_len, len;
    unsigned char bytes[];                 /* the id, then the rest */
};

struct shard {
    pthread_mutex_t lock;
    struct entry  **buckets;
    struct link     ring;
    uint64_t        held, most;
};

struct tls_resumables {
    struct shard shards[SHARDS];
    size_t       bucket_count;             /* of each; a power of two */
};

static size_t entry_size(const struct entry *entry)
{
    return sizeof(*entry) + entry->id_len + entry->len;
}

static struct shard *shard_of(struct tls_resumables *all, uint64_t hash)
{
    return &all->shards[hash % SHARDS];
}

static struct entry **find(struct tls_resumables *all, struct shard *shard, uint64_t hash,
                           struct text id)
{
    struct entry **at = &shard->buckets[(hash / SHARDS) & (all->bucket_count - 1)];

    while (*at != NULL && ((*at)->hash != hash || (*at)->id_len != id.len ||
                           memcmp((*at)->bytes, id.ptr, id.len) != 0))
        at = &(*at)->next;
    return at;
}

static void drop(struct shard *shard, struct entry **at)
{
    struct entry *entry = *at;

    *at = entry->next;
    list_remove(&entry->ring);
    shard->held -= entry_size(entry);
    mem_free(entry);
}

static void drop_oldest(struct tls_resumables *all, struct shard *shard)
{
    struct entry *oldest = container_of(shard->ring.prev, struct entry, ring);

    drop(shard,
         find(all, shard, oldest->hash, text_of((const char *)oldest->bytes, oldest->id_len)));
}

struct tls_resumables *tls_resumables_new(uint64_t bytes)
{
    struct tls_resumables *all = mem_new(sizeof(*all));

    all->bucket_count = 16;
    while (all->bucket_count < bytes / SHARDS / ENTRY_GUESS && all->bucket_count < 1u << 20)
        all->bucket_count *= 2;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &all->shards[i];

        must(pthread_mutex_init(&shard->lock, NULL) == 0);
        shard->buckets = mem_new(all->bucket_count * sizeof(struct entry *));
        list_init(&shard->ring);
        shard->most = bytes / SHARDS;
    }
    return all;
}

void tls_resumables_free(struct tls_resumables **all)
{
    struct tls_resumables *done = *all;

    *all = NULL;
    for (unsigned i = 0; done != NULL && i < SHARDS; i++) {
        while (!list_is_empty(&done->shards[i].ring))
            drop_oldest(done, &done->shards[i]);
        mem_free(done->shards[i].buckets);
        (void)pthread_mutex_destroy(&done->shards[i].lock);
    }
    mem_free(done);
}

static struct entry *entry_new(uint64_t hash, struct text id, struct text bytes, int64_t until_ms)
{
    struct entry *entry = mem_try(sizeof(*entry) + id.len + bytes.len);

    if (entry == NULL)
        return NULL;
    *entry = (struct entry){ .hash = hash, .until_ms = until_ms, .id_len = (uint32_t)id.len,
                             .len = (uint32_t)bytes.len };
    list_init(&entry->ring);
    memcpy(entry->bytes, id.ptr, id.len);
    memcpy(entry->bytes + id.len, bytes.ptr, bytes.len);
    return entry;
}

void tls_resumables_add(struct tls_resumables *all, struct text id, struct text bytes,
                        int64_t until_ms)
{
    uint64_t       hash = hash_text(id);
    struct shard  *shard = shard_of(all, hash);
    struct entry  *entry, **at;

    if (bytes.len > TLS_RESUMABLE_MOST || id.len == 0 || id.len > 64)
        return;
    entry = entry_new(hash, id, bytes, until_ms);
    if (entry == NULL)
        return;
    (void)pthread_mutex_lock(&shard->lock);
    at = find(all, shard, hash, id);
    if (*at != NULL)
        drop(shard, at);
    while (!list_is_empty(&shard->ring) && shard->held + entry_size(entry) > shard->most)
        drop_oldest(all, shard);
    at = find(all, shard, hash, id);
    *at = entry;
    list_prepend(&shard->ring, &entry->ring);
    shard->held += entry_size(entry);
    (void)pthread_mutex_unlock(&shard->lock);
}

size_t tls_resumables_get(struct tls_resumables *all, struct text id, unsigned char *ret_bytes)
{
    uint64_t       hash = hash_text(id);
    struct shard  *shard = shard_of(all, hash);
    struct entry **at;
    size_t         len = 0;

    (void)pthread_mutex_lock(&shard->lock);
    at = find(all, shard, hash, id);
    if (*at != NULL && (*at)->until_ms <= clock_mono_ms())
        drop(shard, at);
    else if (*at != NULL) {
        len = (*at)->len;
        memcpy(ret_bytes, (*at)->bytes + (*at)->id_len, len);
        list_remove(&(*at)->ring);
        list_prepend(&shard->ring, &(*at)->ring);
    }
    (void)pthread_mutex_unlock(&shard->lock);
    return len;
}

void tls_resumables_remove(struct tls_resumables *all, struct text id)
{
    uint64_t       hash = hash_text(id);
    struct shard  *shard = shard_of(all, hash);
    struct entry **at;

    (void)pthread_mutex_lock(&shard->lock);
    at = find(all, shard, hash, id);
    if (*at != NULL)
        drop(shard, at);
    (void)pthread_mutex_unlock(&shard->lock);
}
