// SPDX-License-Identifier: MIT
/* Shards with a lock each, so that loops seldom meet. A shard is a hash of chains and a ring from the
 * last used to the longest unused. Keys come from clients and may be long: kept are 128 bits of
 * SipHash with a key of the table's own, which nobody can aim at. */
#include "balance/bindings.h"

#include <pthread.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/zone.h"

enum { SHARDS = 16, MOST = 1 << 22, SECRET_BYTES = 16 };

struct fingerprint {
    uint64_t place, rest;
};

struct binding {
    struct link        used;             /* in its shard's ring, newest first */
    struct binding    *next;             /* in its chain */
    struct fingerprint fingerprint;
    int64_t            used_ms;
    struct identity    identity;
};

struct shard {
    pthread_mutex_t  lock;
    struct binding **chains;             /* a power of two of them; NULL: no memory */
    uint64_t         mask, count, most;
    struct link      used;
};

struct bindings {
    unsigned char secrets[2][SECRET_BYTES];
    struct shard  shards[SHARDS];
};

/* ---- life ---- */

static void shard_init(struct shard *shard, uint64_t most)
{
    uint64_t chains = 1;

    while (chains < most)
        chains *= 2;
    pthread_mutex_init(&shard->lock, NULL);
    list_init(&shard->used);
    shard->most = most;
    shard->mask = chains - 1;
    shard->chains = mem_try(chains * sizeof(struct binding *));
    for (uint64_t i = 0; shard->chains != NULL && i < chains; i++)
        shard->chains[i] = NULL;
}

static void *bindings_build(void *arg)
{
    uint64_t         most = *(uint64_t *)arg / BINDING_BYTES / SHARDS;
    struct bindings *bindings = mem_new(sizeof(*bindings));

    random_secret(bindings->secrets, sizeof(bindings->secrets));
    if (most > MOST / SHARDS)
        most = MOST / SHARDS;
    for (unsigned i = 0; i < SHARDS; i++)
        shard_init(&bindings->shards[i], most > 0 ? most : 1);
    return bindings;
}

static void bindings_destroy(void *state)
{
    struct bindings *bindings = state;

    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &bindings->shards[i];

        LIST_EACH_SAFE(&shard->used, at, after)
            mem_free(container_of(at, struct binding, used));
        mem_free(shard->chains);
        pthread_mutex_destroy(&shard->lock);
    }
    mem_free(bindings);
}

struct bindings *bindings_ref(struct text name, uint64_t bytes, struct zone **ret_zone)
{
    *ret_zone = zone_ref("sticky", name, bytes, bindings_build, &bytes, bindings_destroy);
    return zone_state(*ret_zone);
}

void bindings_unref(struct zone **zone)
{
    zone_unref(zone);
}

/* ---- one shard ---- */

static struct fingerprint fingerprint_of(const struct bindings *bindings, struct text key)
{
    return (struct fingerprint){ hash_siphash(bindings->secrets[0], key.ptr, key.len),
                                 hash_siphash(bindings->secrets[1], key.ptr, key.len) };
}

static struct shard *shard_of(struct bindings *bindings, struct fingerprint fingerprint)
{
    return &bindings->shards[fingerprint.rest % SHARDS];
}

/* Where the pointer to it stands, or would stand. */
static struct binding **find(struct shard *shard, struct fingerprint fingerprint)
{
    struct binding **at = &shard->chains[fingerprint.place & shard->mask];

    while (*at != NULL && ((*at)->fingerprint.place != fingerprint.place ||
                           (*at)->fingerprint.rest != fingerprint.rest))
        at = &(*at)->next;
    return at;
}

static void take_out(struct shard *shard, struct binding **at)
{
    struct binding *binding = *at;

    *at = binding->next;
    list_remove(&binding->used);
    shard->count--;
    mem_free(binding);
}

static void make_room(struct shard *shard)
{
    if (shard->count >= shard->most)
        take_out(shard,
                 find(shard, container_of(shard->used.prev, struct binding, used)->fingerprint));
}

static void touch(struct shard *shard, struct binding *binding, int64_t now_ms)
{
    list_remove(&binding->used);
    list_prepend(&shard->used, &binding->used);
    binding->used_ms = now_ms;
}

static struct binding *add(struct shard *shard, struct fingerprint fingerprint)
{
    struct binding *binding = mem_try(sizeof(*binding)), **at;

    if (binding == NULL)
        return NULL;
    make_room(shard);
    at = find(shard, fingerprint);
    *binding = (struct binding){ .fingerprint = fingerprint };
    list_init(&binding->used);
    *at = binding;
    shard->count++;
    return binding;
}

/* ---- the table ---- */

bool bindings_find(struct bindings *bindings, struct text key, uint32_t timeout_ms, int64_t now_ms,
                   struct identity *ret_identity)
{
    struct fingerprint fingerprint = fingerprint_of(bindings, key);
    struct shard      *shard = shard_of(bindings, fingerprint);
    struct binding   **at;
    bool               is_found;

    if (shard->chains == NULL)
        return false;
    pthread_mutex_lock(&shard->lock);
    at = find(shard, fingerprint);
    is_found = *at != NULL && now_ms - (*at)->used_ms <= timeout_ms;
    if (is_found) {
        touch(shard, *at, now_ms);
        *ret_identity = (*at)->identity;
    } else if (*at != NULL) {
        take_out(shard, at);
    }
    pthread_mutex_unlock(&shard->lock);
    return is_found;
}

void bindings_set(struct bindings *bindings, struct text key, const struct identity *identity,
                  bool may_add, int64_t now_ms)
{
    struct fingerprint fingerprint = fingerprint_of(bindings, key);
    struct shard      *shard = shard_of(bindings, fingerprint);
    struct binding    *binding;

    if (shard->chains == NULL)
        return;
    pthread_mutex_lock(&shard->lock);
    binding = *find(shard, fingerprint);
    if (binding == NULL && may_add)
        binding = add(shard, fingerprint);
    if (binding != NULL) {
        binding->identity = *identity;
        touch(shard, binding, now_ms);
    }
    pthread_mutex_unlock(&shard->lock);
}

uint64_t bindings_count(struct bindings *bindings)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&bindings->shards[i].lock);
        count += bindings->shards[i].count;
        pthread_mutex_unlock(&bindings->shards[i].lock);
    }
    return count;
}
