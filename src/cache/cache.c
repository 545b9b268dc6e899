// SPDX-License-Identifier: MIT
/* The two tiers as one. What is stored goes to both; what memory evicts is found again on disk. */
#include "cache/cache.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/random.h"
#include "cache/disk_format.h"
#include "cache/uses.h"

struct cache {
    struct cache        *next;           /* of all that live; control thread */
    struct text          name;           /* owned */
    atomic_uint_least64_t seed;          /* changes once at most: when a disk that was away has another */
    atomic_uint_least64_t serial;
    atomic_uint_least64_t object_max;
    struct purges       *purges;
    struct arrivals      arrivals;
    struct upkeep       *upkeep;
    struct memory       *memory;
    struct disk         *disk;           /* NULL: in memory only */
    struct fills        *fills;
    struct queries      *queries;
    struct uses *_Atomic uses;           /* made when it is first asked for */
};

static struct cache *all;                /* control thread */

/* ---- life ---- */

static uint64_t object_max_of(const struct cache_settings *settings)
{
    enum { SHARE = 8 };
    const uint64_t most = UINT64_C(16) * 1024 * 1024;
    uint64_t       max = settings->memory / SHARE;

    if (settings->object_max > 0)
        return settings->object_max < settings->memory ? settings->object_max : settings->memory;
    return max < most ? max : most;
}

static struct disk_settings disk_settings_of(const struct cache_settings *settings)
{
    enum { QUEUE_SHARE = 4 };            /* what waits is not evicted from memory: the rest must do */

    return (struct disk_settings){ .path = settings->path,
                                   .max_size = settings->max_size,
                                   .min_free = settings->min_free,
                                   .inactive_ms = settings->inactive_ms,
                                   .queue_bytes = settings->memory / QUEUE_SHARE };
}

/* Serials, not times of a clock, which may have been set back: what is purged is what has a smaller one. With
 * another seed nothing that memory has is found any more; it leaves in its turn. */
static void disk_opened(uint64_t seed, uint64_t serial, void *arg)
{
    struct cache *cache = arg;

    atomic_store(&cache->seed, seed);
    atomic_store(&cache->serial, serial + 1);
}

static void note_evicted(struct object *object, void *arg)
{
    struct cache *cache = arg;

    if (cache->disk != NULL)
        disk_note_use(cache->disk, object);
}

static void open_disk(struct cache *cache, const struct cache_settings *settings)
{
    struct disk_settings disk = disk_settings_of(settings);
    struct text          complaint = TEXT_NONE;

    disk.seed = atomic_load(&cache->seed);
    disk.opened = disk_opened;
    disk.arg = cache;
    if (disk_open(&disk, cache->purges, &cache->disk, &complaint) < 0) {
        cache->disk = NULL;
        log_at(LOG_ERROR, NULL, "cache \"%.*s\" stays in memory only: no thread for its disk",
               TEXT_ARGS(cache->name));
        return;
    }
    if (disk_figures(cache->disk).is_failing)
        log_at(LOG_ERROR, NULL, "cache \"%.*s\" stays in memory only: %.*s; it is tried again",
               TEXT_ARGS(cache->name), TEXT_ARGS(complaint));
    else if (complaint.len > 0)
        log_at(LOG_WARN, NULL, "cache \"%.*s\": %.*s", TEXT_ARGS(cache->name),
               TEXT_ARGS(complaint));
    disk_set_above(cache->disk, cache->memory);
}

/* All that a cache holds beside objects, their tables in the memory tier excepted. */
static uint64_t bytes_beside(void *arg)
{
    struct cache *cache = arg;
    uint64_t      bytes = object_allocated(sizeof(*cache)) + purges_bytes(cache->purges) +
                     fills_bytes(cache->fills) + queries_bytes(cache->queries) +
                     uses_bytes(atomic_load(&cache->uses));

    return cache->disk == NULL ? bytes : bytes + disk_figures(cache->disk).memory_bytes;
}

static void begin_upkeep(struct cache *cache, int64_t inactive_ms)
{
    const struct upkept upkept = { .memory = cache->memory,
                                   .disk = cache->disk,
                                   .purges = cache->purges,
                                   .arrivals = &cache->arrivals,
                                   .name = cache->name,
                                   .beside = bytes_beside,
                                   .arg = cache };

    memory_set_beside(cache->memory, bytes_beside(cache));
    cache->upkeep = upkeep_new(&upkept, inactive_ms);
}

struct cache *cache_open(const struct cache_settings *settings)
{
    struct cache *cache = mem_new(sizeof(*cache));
    uint64_t      seed;

    cache->name = text_of(mem_string(settings->name.ptr, settings->name.len), settings->name.len);
    random_secret(&seed, sizeof(seed));
    atomic_init(&cache->seed, seed);
    atomic_init(&cache->serial, 1);
    atomic_init(&cache->object_max, object_max_of(settings));
    cache->purges = purges_new();
    arrivals_init(&cache->arrivals);
    cache->memory = memory_new(settings->memory, cache->purges);
    cache->fills = fills_new();
    cache->queries = queries_new();
    memory_on_evict(cache->memory, note_evicted, cache);
    if (settings->path.ptr != NULL)
        open_disk(cache, settings);
    begin_upkeep(cache, settings->inactive_ms);
    cache->next = all;
    all = cache;
    return cache;
}

void cache_close(struct cache **cache)
{
    struct cache *dead = *cache, **at = &all;
    struct uses  *uses = atomic_load(&dead->uses);

    *cache = NULL;
    while (*at != dead)
        at = &(*at)->next;
    *at = dead->next;
    if (dead->disk != NULL)
        disk_expire(dead->disk);
    if (dead->upkeep != NULL)
        upkeep_free(&dead->upkeep);      /* may wait for the thread that writes */
    if (dead->disk != NULL)
        disk_close(&dead->disk);
    memory_free(&dead->memory);
    purges_free(&dead->purges);
    fills_free(&dead->fills);
    queries_free(&dead->queries);
    arrivals_done(&dead->arrivals);
    uses_free(&uses);
    mem_free((char *)dead->name.ptr);
    mem_free(dead);
}

void caches_end(void)
{
    for (struct cache *cache = all; cache != NULL; cache = cache->next)
        if (cache->disk != NULL)
            disk_expire(cache->disk);
    for (struct cache *cache = all; cache != NULL; cache = cache->next) {
        if (cache->upkeep != NULL)
            upkeep_free(&cache->upkeep);     /* its thread looks at the disk */
        if (cache->disk != NULL)
            disk_close(&cache->disk);
    }
}

void caches_say(void)
{
    for (struct cache *cache = all; cache != NULL; cache = cache->next)
        if (cache->disk != NULL)
            disk_say(cache->disk);
}

void cache_set(struct cache *cache, const struct cache_settings *settings)
{
    struct disk_settings disk = disk_settings_of(settings);

    atomic_store(&cache->object_max, object_max_of(settings));
    memory_resize(cache->memory, settings->memory);
    upkeep_set_inactive(cache->upkeep, settings->inactive_ms);
    if (cache->disk != NULL)
        disk_set(cache->disk, &disk);
}

/* ---- facts ---- */

struct text cache_name(const struct cache *cache)
{
    return cache->name;
}

struct cache_key cache_key(const struct cache *cache, struct text text)
{
    return cache_key_of(atomic_load_explicit(&cache->seed, memory_order_relaxed), text);
}

uint64_t cache_label(const struct cache *cache, enum cache_label kind, struct text text)
{
    return cache_label_hash(atomic_load_explicit(&cache->seed, memory_order_relaxed), kind, text);
}

uint64_t cache_next_serial(struct cache *cache)
{
    return atomic_fetch_add_explicit(&cache->serial, 1, memory_order_relaxed);
}

void cache_arrive(struct cache *cache, const struct cache_key *key, struct arrival *arrival)
{
    arrival_begin(&cache->arrivals, key->hash, arrival);
}

void cache_arrived(struct cache *cache, struct arrival *arrival)
{
    arrival_end(&cache->arrivals, arrival);
}

uint64_t cache_object_max(const struct cache *cache)
{
    return atomic_load_explicit(&cache->object_max, memory_order_relaxed);
}

struct fills *cache_fills(struct cache *cache)
{
    return cache->fills;
}

struct queries *cache_queries(struct cache *cache)
{
    return cache->queries;
}

struct disk *cache_disk(struct cache *cache)
{
    return cache->disk;
}

unsigned cache_count_use(struct cache *cache, const struct cache_key *key)
{
    struct uses *uses = atomic_load(&cache->uses), *none = NULL;

    if (uses == NULL) {
        uses = uses_new();
        if (!atomic_compare_exchange_strong(&cache->uses, &none, uses)) {
            uses_free(&uses);
            uses = none;
        }
    }
    return uses_count(uses, key->hash);
}

/* ---- objects ---- */

static struct object *find(struct cache *cache, const struct cache_key *key,
                           struct variant_ask *ask, bool is_use, bool *ret_is_purged,
                           bool *ret_has_other)
{
    struct object *object =
        memory_find(cache->memory, key, ask, is_use, ret_is_purged, ret_has_other);

    if (object == NULL || object->large == NULL || !large_body_has_failed(object->large))
        return object;
    /* Its file was found damaged. What is fetched instead takes its place. */
    object_unref(object);
    *ret_is_purged = false;
    return NULL;
}

struct object *cache_find(struct cache *cache, const struct cache_key *key, struct variant_ask *ask,
                          bool *ret_is_purged, bool *ret_has_other)
{
    return find(cache, key, ask, true, ret_is_purged, ret_has_other);
}

struct object *cache_find_again(struct cache *cache, const struct cache_key *key,
                                struct variant_ask *ask, bool *ret_is_purged)
{
    return find(cache, key, ask, false, ret_is_purged, NULL);
}

static bool fits_memory(const struct cache *cache, const struct object *object)
{
    return object->large == NULL && object->body_len <= cache_object_max(cache);
}

bool cache_promote(struct cache *cache, struct object *object, bool *ret_is_purged)
{
    enum purge_verdict verdict = purges_judge(cache->purges, object);

    *ret_is_purged = verdict == PURGE_STALE;
    if (verdict == PURGE_GONE)
        return false;
    if (fits_memory(cache, object) || object->large != NULL)
        (void)memory_insert(cache->memory, object);
    return true;
}

bool cache_store(struct cache *cache, struct object *object)
{
    bool is_in_memory = false, is_on_disk = false;

    /* What was asked for later may have come sooner. The disk would take whatever comes last. */
    if (purges_judge(cache->purges, object) == PURGE_GONE ||
        memory_has_newer(cache->memory, object))
        return false;
    if (cache->disk != NULL)             /* first: what memory gets is then known to wait */
        is_on_disk = disk_store(cache->disk, object);
    if (fits_memory(cache, object) || object->large != NULL)
        is_in_memory = memory_insert(cache->memory, object);
    return is_in_memory || is_on_disk;
}

/* ---- purging ---- */

/* Its serial is given and written as one, for those who wait until all is past that was under way. */
static bool write_down(struct cache *cache, const struct cache_purge *ask, struct purge *ret_purge)
{
    const struct cache_key any = { .text = TEXT_NONE };
    struct arrival         arrival = { .is_under_way = false };
    bool                   is_added;

    cache_arrive(cache, &any, &arrival);
    *ret_purge = (struct purge){ .kind = ask->kind,
                                 .is_soft = ask->is_soft,
                                 .serial = cache_next_serial(cache),
                                 .label = ask->label,
                                 .prefix = ask->prefix };
    is_added = purges_add(cache->purges, ret_purge);
    cache_arrived(cache, &arrival);
    return is_added;
}

bool cache_purge(struct cache *cache, const struct cache_purge *ask, struct task *waiter,
                 struct disk_purge **ret_purge)
{
    struct purge       purge;
    struct disk_purge *disk;

    if (ret_purge != NULL)
        *ret_purge = NULL;
    if (ask->prefix.len > RECORD_PREFIX_MOST || !write_down(cache, ask, &purge))
        return false;
    upkeep_note_purge(cache->upkeep);
    if (cache->disk == NULL)
        return true;
    disk = mem_new(sizeof(*disk) + ask->prefix.len);
    disk->disk = cache->disk;
    disk->purge = purge;
    disk->purge.prefix = text_of((char *)(disk + 1), ask->prefix.len);
    if (ask->prefix.len > 0)
        memcpy(disk + 1, ask->prefix.ptr, ask->prefix.len);
    disk->waiter = waiter;
    if (ret_purge != NULL)
        *ret_purge = disk;
    disk_purge_start(disk);
    return true;
}

/* In the order in which things move: from those who arrive to memory and by way of the queue to the disk,
 * from there again by somebody who arrives. Whoever has begun meanwhile may have moved it past us. */
bool cache_may_hold(struct cache *cache, const struct cache_key *key)
{
    uint64_t begun, now;

    return arrivals_have(&cache->arrivals, key->hash, &begun) || memory_has(cache->memory, key) ||
           (cache->disk != NULL && disk_may_have(cache->disk, key->hash)) ||
           arrivals_have(&cache->arrivals, key->hash, &now) || now != begun;
}

struct cache_sweep *cache_sweep_start(struct cache *cache, struct task *waiter)
{
    struct cache_sweep *sweep = mem_new(sizeof(*sweep));

    sweep->waiter = waiter;
    upkeep_sweep(cache->upkeep, sweep);
    return waiter == NULL ? NULL : sweep;
}

bool cache_has_purged_since(const struct cache *cache, uint64_t serial)
{
    return serial != 0 && purges_newest(cache->purges) > serial;
}

enum purge_verdict cache_verdict_ahead(struct cache *cache, uint64_t serial,
                                       const struct cache_key *key, struct text host)
{
    const uint64_t labels[] = { cache_label(cache, LABEL_KEY, key->text),
                                cache_label(cache, LABEL_HOST, host) };

    return purges_judge_record(cache->purges, serial, key->text, labels, 2);
}

enum purge_verdict cache_verdict(struct cache *cache, struct object *object)
{
    return purges_judge(cache->purges, object);
}

/* ---- for people ---- */

unsigned cache_variants(struct cache *cache, const struct cache_key *key,
                        struct object **ret_objects, unsigned most)
{
    return memory_variants(cache->memory, key, ret_objects, most);
}

struct cache_figures cache_figures(struct cache *cache)
{
    struct cache_figures figures = { .memory = memory_figures(cache->memory),
                                     .upkeep = upkeep_figures(cache->upkeep),
                                     .purges = purges_count(cache->purges),
                                     .beside = bytes_beside(cache) };

    if (cache->disk != NULL) {
        figures.disk = disk_figures(cache->disk);
        figures.has_disk = true;
    }
    return figures;
}

struct cache *cache_next(const struct cache *after)
{
    return after == NULL ? all : after->next;
}
