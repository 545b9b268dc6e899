// SPDX-License-Identifier: MIT
/* Each shard: entries in chunks that never move, found by number through chains from a table of
 * buckets, which doubles when chains get longer than two. Per object 24 bytes and 2 to 4 of buckets. */
#include "cache/disk_index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/disk_format.h"

enum {
    CHUNK_ENTRIES = 512,
    BUCKETS_LEAST = 64,
    VARIES_MOST = 16,
    CACHE_LINE = 64,
    PLACES_FIRST = 256
};

struct index_entry {
    uint32_t next;                       /* of its chain, or of the free ones; 0: the last */
    uint32_t fingerprint;                /* of hash.low */
    uint32_t variant;
    uint32_t date_s;
    uint32_t where;                      /* low half of the place; bit 0: used */
    uint16_t segment;                    /* low half of its number */
    uint16_t vary;
};

_Static_assert(sizeof(struct index_entry) == 24, "the limit is 32 bytes, buckets included");

struct index_shard {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct index_entry **chunks;
    uint32_t             chunk_count, given;     /* numbers 1 .. given were in use at some time */
    uint32_t             free, count;
    uint32_t            *buckets;
    uint32_t             bucket_count;           /* a power of two, or 0 */
};

struct disk_index {
    struct index_shard shards[DISK_INDEX_SHARDS];
    uint64_t           seed;
    atomic_uint        newest;
    atomic_uint_least64_t count;
};

struct disk_index *disk_index_new(uint64_t seed)
{
    struct disk_index *index = mem_new(sizeof(*index));

    index->seed = seed;
    for (unsigned i = 0; i < DISK_INDEX_SHARDS; i++)
        pthread_mutex_init(&index->shards[i].lock, NULL);
    return index;
}

void disk_index_free(struct disk_index **index)
{
    struct disk_index *dead = *index;

    if (dead == NULL)
        return;
    *index = NULL;
    for (unsigned i = 0; i < DISK_INDEX_SHARDS; i++) {
        struct index_shard *shard = &dead->shards[i];

        for (uint32_t chunk = 0; chunk < shard->chunk_count; chunk++)
            mem_free(shard->chunks[chunk]);
        mem_free(shard->chunks);
        mem_free(shard->buckets);
        pthread_mutex_destroy(&shard->lock);
    }
    mem_free(dead);
}

void disk_index_newest(struct disk_index *index, uint32_t segment)
{
    atomic_store(&index->newest, segment);
}

uint32_t disk_index_variant(const struct disk_index *index, struct cache_hash hash,
                            struct text variant)
{
    uint32_t mine = 0;

    if (variant.len > 0)
        mine = (uint32_t)XXH3_64bits_withSeed(variant.ptr, variant.len, index->seed);
    return mine ^ (uint32_t)(hash.high >> 32);
}

uint32_t disk_index_date(int64_t date_s)
{
    return date_s < 0 ? 0 : date_s > UINT32_MAX ? UINT32_MAX : (uint32_t)date_s;
}

/* ---- entries ---- */

static struct index_shard *shard_lock(struct disk_index *index, struct cache_hash hash)
{
    struct index_shard *shard = &index->shards[hash.high % DISK_INDEX_SHARDS];

    pthread_mutex_lock(&shard->lock);
    return shard;
}

static struct index_entry *entry_at(const struct index_shard *shard, uint32_t number)
{
    return &shard->chunks[(number - 1) / CHUNK_ENTRIES][(number - 1) % CHUNK_ENTRIES];
}

static uint32_t *bucket_of(const struct index_shard *shard, uint32_t fingerprint)
{
    return &shard->buckets[fingerprint & (shard->bucket_count - 1)];
}

static uint32_t first_of(const struct index_shard *shard, uint32_t fingerprint)
{
    return shard->bucket_count == 0 ? 0 : *bucket_of(shard, fingerprint);
}

/* Segments live within less than 65536 numbers of the newest, so half of the number tells the rest. */
static uint64_t place_of(struct disk_index *index, const struct index_entry *entry)
{
    uint32_t newest = atomic_load(&index->newest);
    uint32_t segment = newest - (uint16_t)((uint16_t)newest - entry->segment);

    return (uint64_t)segment << 32 | (entry->where & ~1u);
}

static bool is_at(const struct index_entry *entry, uint64_t place)
{
    return entry->segment == (uint16_t)record_place_segment(place) &&
           (entry->where & ~1u) == (uint32_t)place;
}

static struct index_row row_of(struct disk_index *index, const struct index_entry *entry,
                               unsigned shard)
{
    return (struct index_row){ .hash = { .low = entry->fingerprint, .high = shard },
                               .place = place_of(index, entry),
                               .variant = entry->variant,
                               .date_s = entry->date_s,
                               .vary = entry->vary,
                               .is_used = (entry->where & 1) != 0 };
}

/* The link that leads to the entry at this place, or NULL. */
static uint32_t *link_to(const struct index_shard *shard, uint32_t fingerprint, uint64_t place)
{
    if (shard->bucket_count == 0)
        return NULL;
    for (uint32_t *link = bucket_of(shard, fingerprint); *link != 0;
         link = &entry_at(shard, *link)->next)
        if (is_at(entry_at(shard, *link), place) &&
            entry_at(shard, *link)->fingerprint == fingerprint)
            return link;
    return NULL;
}

static void unlink_entry(struct index_shard *shard, uint32_t *link)
{
    uint32_t            number = *link;
    struct index_entry *entry = entry_at(shard, number);

    *link = entry->next;
    entry->next = shard->free;
    shard->free = number;
    shard->count--;
}

/* ---- putting ---- */

/* Chains get longer when there is no memory. */
static void grow_buckets(struct index_shard *shard)
{
    uint32_t  count = shard->bucket_count == 0 ? BUCKETS_LEAST : shard->bucket_count * 2;
    uint32_t  former_count = shard->bucket_count;
    uint32_t *former = shard->buckets, *buckets = mem_try(count * sizeof(*buckets));

    if (buckets == NULL)
        return;
    memset(buckets, 0, count * sizeof(*buckets));
    shard->buckets = buckets;
    shard->bucket_count = count;
    for (uint32_t i = 0; i < former_count; i++)
        for (uint32_t number = former[i], next; number != 0; number = next) {
            struct index_entry *entry = entry_at(shard, number);
            uint32_t           *bucket = bucket_of(shard, entry->fingerprint);

            next = entry->next;
            entry->next = *bucket;
            *bucket = number;
        }
    mem_free(former);
}

static bool grow_chunks(struct index_shard *shard)
{
    struct index_entry *chunk = mem_try(CHUNK_ENTRIES * sizeof(*chunk));

    if (chunk == NULL)
        return false;
    if ((shard->chunk_count & (shard->chunk_count - 1)) == 0)
        shard->chunks = mem_resize(
            shard->chunks, (shard->chunk_count == 0 ? 1 : shard->chunk_count * 2) * sizeof(chunk));
    shard->chunks[shard->chunk_count++] = chunk;
    return true;
}

/* Not in a chain yet; 0: no memory. */
static uint32_t entry_new(struct index_shard *shard)
{
    uint32_t number = shard->free;

    if (number != 0) {
        shard->free = entry_at(shard, number)->next;
    } else {
        if (shard->given == shard->chunk_count * CHUNK_ENTRIES && !grow_chunks(shard))
            return 0;
        number = ++shard->given;
    }
    return number;
}

static void entry_fill(struct index_entry *entry, const struct index_row *row)
{
    entry->fingerprint = (uint32_t)row->hash.low;
    entry->variant = row->variant;
    entry->date_s = row->date_s;
    entry->where = (uint32_t)row->place | row->is_used;
    entry->segment = (uint16_t)record_place_segment(row->place);
    entry->vary = row->vary;
}

static struct index_entry *same_of(const struct index_shard *shard, uint32_t fingerprint,
                                   uint16_t vary, uint32_t variant)
{
    uint32_t number = first_of(shard, fingerprint);

    for (; number != 0; number = entry_at(shard, number)->next) {
        struct index_entry *entry = entry_at(shard, number);

        if (entry->fingerprint == fingerprint && entry->vary == vary && entry->variant == variant)
            return entry;
    }
    return NULL;
}

static bool add(struct index_shard *shard, const struct index_row *row)
{
    uint32_t number, *bucket;

    if (shard->count >= shard->bucket_count * 2)
        grow_buckets(shard);
    if (shard->bucket_count == 0 || (number = entry_new(shard)) == 0)
        return false;
    bucket = bucket_of(shard, (uint32_t)row->hash.low);
    entry_fill(entry_at(shard, number), row);
    entry_at(shard, number)->next = *bucket;
    *bucket = number;
    shard->count++;
    return true;
}

bool disk_index_put(struct disk_index *index, const struct index_row *row, uint64_t *ret_former)
{
    struct index_shard *shard = shard_lock(index, row->hash);
    struct index_entry *entry = same_of(shard, (uint32_t)row->hash.low, row->vary, row->variant);
    uint64_t            former = entry == NULL ? 0 : place_of(index, entry);
    bool                is_put = true;

    if (entry != NULL)
        entry_fill(entry, row);
    else
        is_put = add(shard, row);
    pthread_mutex_unlock(&shard->lock);
    if (!is_put)
        return false;
    if (entry == NULL)
        atomic_fetch_add_explicit(&index->count, 1, memory_order_relaxed);
    *ret_former = former;
    return true;
}

/* ---- finding ---- */

/* What the ask says for each distinct Vary under a key. */
struct wanted {
    unsigned count;
    uint16_t vary[VARIES_MOST];
    uint32_t variant[VARIES_MOST];
    bool     is_wanted[VARIES_MOST];
};

static unsigned wanted_find(const struct wanted *wanted, uint16_t vary)
{
    unsigned i = 0;

    while (i < wanted->count && wanted->vary[i] != vary)
        i++;
    return i;
}

/* Under the lock: which there are. */
static void wanted_gather(const struct index_shard *shard, uint32_t fingerprint,
                          struct wanted *wanted)
{
    uint32_t number = first_of(shard, fingerprint);

    wanted->count = 0;
    for (; number != 0; number = entry_at(shard, number)->next) {
        struct index_entry *entry = entry_at(shard, number);

        if (entry->fingerprint == fingerprint && wanted->count < VARIES_MOST &&
            wanted_find(wanted, entry->vary) == wanted->count)
            wanted->vary[wanted->count++] = entry->vary;
    }
}

/* Without the lock, since the ask may take its time. */
static void wanted_ask(struct wanted *wanted, const struct disk_index *index,
                       const struct disk_vary *varies, struct cache_hash hash,
                       struct variant_ask *ask)
{
    for (unsigned i = 0; i < wanted->count; i++) {
        struct text variant = text_of("", 0);

        if (wanted->vary[i] != 0)
            variant = ask == NULL ? TEXT_NONE
                                  : ask->variant(ask, disk_vary_text(varies, wanted->vary[i]));
        wanted->is_wanted[i] = variant.ptr != NULL;
        wanted->variant[i] = disk_index_variant(index, hash, variant);
    }
}

static bool is_wanted(const struct wanted *wanted, const struct index_entry *entry)
{
    unsigned i = wanted_find(wanted, entry->vary);

    return i < wanted->count && wanted->is_wanted[i] && wanted->variant[i] == entry->variant;
}

/* One that says of what it varies before one that forgot to (RFC 9111 4.1); the latest by date; of the
 * same second, what was written last. */
static bool is_better(const struct index_entry *entry, uint64_t place,
                      const struct index_entry *best, uint64_t best_place)
{
    if (best == NULL || (entry->vary != 0) != (best->vary != 0))
        return best == NULL || entry->vary != 0;
    return entry->date_s > best->date_s || (entry->date_s == best->date_s && place > best_place);
}

static uint64_t best_of(struct disk_index *index, const struct index_shard *shard,
                        uint32_t fingerprint, const struct wanted *wanted)
{
    uint32_t                  number = first_of(shard, fingerprint);
    const struct index_entry *best = NULL;
    uint64_t                  best_place = 0;

    for (; number != 0; number = entry_at(shard, number)->next) {
        struct index_entry *entry = entry_at(shard, number);
        uint64_t            place = place_of(index, entry);

        if (entry->fingerprint != fingerprint || !is_wanted(wanted, entry))
            continue;
        if (is_better(entry, place, best, best_place)) {
            best = entry;
            best_place = place;
        }
    }
    return best_place;
}

uint64_t disk_index_find(struct disk_index *index, const struct disk_vary *varies,
                         struct cache_hash hash, struct variant_ask *ask)
{
    struct index_shard *shard = shard_lock(index, hash);
    struct wanted       wanted;
    uint64_t            best;

    wanted_gather(shard, (uint32_t)hash.low, &wanted);
    pthread_mutex_unlock(&shard->lock);
    if (wanted.count == 0)
        return 0;
    wanted_ask(&wanted, index, varies, hash, ask);
    shard = shard_lock(index, hash);
    best = best_of(index, shard, (uint32_t)hash.low, &wanted);
    pthread_mutex_unlock(&shard->lock);
    return best;
}

bool disk_index_has_key(struct disk_index *index, struct cache_hash hash)
{
    struct index_shard *shard = shard_lock(index, hash);
    uint32_t            number = first_of(shard, (uint32_t)hash.low);

    while (number != 0 && entry_at(shard, number)->fingerprint != (uint32_t)hash.low)
        number = entry_at(shard, number)->next;
    pthread_mutex_unlock(&shard->lock);
    return number != 0;
}

bool disk_index_has(struct disk_index *index, struct cache_hash hash, uint64_t place,
                    bool *ret_is_used)
{
    struct index_shard *shard = shard_lock(index, hash);
    uint32_t           *link = link_to(shard, (uint32_t)hash.low, place);
    bool                has = link != NULL;

    if (has)
        *ret_is_used = (entry_at(shard, *link)->where & 1) != 0;
    pthread_mutex_unlock(&shard->lock);
    return has;
}

void disk_index_use(struct disk_index *index, struct cache_hash hash, uint16_t vary,
                    uint32_t variant)
{
    struct index_shard *shard = shard_lock(index, hash);
    struct index_entry *entry = same_of(shard, (uint32_t)hash.low, vary, variant);

    if (entry != NULL)
        entry->where |= 1;
    pthread_mutex_unlock(&shard->lock);
}

/* ---- taking out, walking ---- */

bool disk_index_take(struct disk_index *index, struct cache_hash hash, uint64_t place)
{
    struct index_shard *shard = shard_lock(index, hash);
    uint32_t           *link = link_to(shard, (uint32_t)hash.low, place);
    bool                has = link != NULL;

    if (has)
        unlink_entry(shard, link);
    pthread_mutex_unlock(&shard->lock);
    if (has)
        atomic_fetch_sub_explicit(&index->count, 1, memory_order_relaxed);
    return has;
}

static uint64_t shard_drop_segment(struct index_shard *shard, uint16_t segment)
{
    uint64_t dropped = 0;

    for (uint32_t i = 0; i < shard->bucket_count; i++)
        for (uint32_t *link = &shard->buckets[i]; *link != 0;) {
            if (entry_at(shard, *link)->segment == segment) {
                unlink_entry(shard, link);
                dropped++;
            } else {
                link = &entry_at(shard, *link)->next;
            }
        }
    return dropped;
}

uint64_t disk_index_drop_segment(struct disk_index *index, uint32_t segment)
{
    uint64_t dropped = 0;

    for (unsigned i = 0; i < DISK_INDEX_SHARDS; i++) {
        pthread_mutex_lock(&index->shards[i].lock);
        dropped += shard_drop_segment(&index->shards[i], (uint16_t)segment);
        pthread_mutex_unlock(&index->shards[i].lock);
    }
    atomic_fetch_sub_explicit(&index->count, dropped, memory_order_relaxed);
    return dropped;
}

/* ---- what is used ---- */

struct places {
    uint64_t *places;
    size_t    count, room;
};

static void places_add(struct places *list, uint64_t place)
{
    if (list->count == list->room) {
        size_t    room = list->room == 0 ? PLACES_FIRST : list->room * 2;
        uint64_t *places = mem_try(room * sizeof(*places));

        if (places == NULL)
            return;
        if (list->count > 0)
            memcpy(places, list->places, list->count * sizeof(*places));
        mem_free(list->places);
        list->places = places;
        list->room = room;
    }
    list->places[list->count++] = place;
}

static int compare_places(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* Under the lock. */
static void shard_used(struct disk_index *index, const struct index_shard *shard, uint16_t segment,
                       struct places *list)
{
    for (uint32_t i = 0; i < shard->bucket_count; i++)
        for (uint32_t number = shard->buckets[i]; number != 0;
             number = entry_at(shard, number)->next) {
            const struct index_entry *entry = entry_at(shard, number);

            if (entry->segment == segment && (entry->where & 1) != 0)
                places_add(list, place_of(index, entry));
        }
}

void disk_index_forget_uses(struct disk_index *index, uint32_t segment)
{
    for (unsigned i = 0; i < DISK_INDEX_SHARDS; i++) {
        struct index_shard *shard = &index->shards[i];

        pthread_mutex_lock(&shard->lock);
        for (uint32_t number = 1; number <= shard->given; number++)
            if (entry_at(shard, number)->segment == (uint16_t)segment)
                entry_at(shard, number)->where &= ~1u;
        pthread_mutex_unlock(&shard->lock);
    }
}

uint64_t *disk_index_used(struct disk_index *index, uint32_t segment, size_t *ret_count)
{
    struct places list = { .places = NULL };

    for (unsigned i = 0; i < DISK_INDEX_SHARDS; i++) {
        pthread_mutex_lock(&index->shards[i].lock);
        shard_used(index, &index->shards[i], (uint16_t)segment, &list);
        pthread_mutex_unlock(&index->shards[i].lock);
    }
    if (list.count > 0)
        qsort(list.places, list.count, sizeof(list.places[0]), compare_places);
    *ret_count = list.count;
    return list.places;
}

struct index_row *disk_index_rows(struct disk_index *index, unsigned shard_number,
                                  uint32_t *ret_count)
{
    struct index_shard *shard = &index->shards[shard_number];
    struct index_row   *rows;
    uint32_t            count = 0;

    pthread_mutex_lock(&shard->lock);
    rows = mem_try((shard->count + 1) * sizeof(*rows));
    for (uint32_t i = 0; rows != NULL && i < shard->bucket_count; i++)
        for (uint32_t number = shard->buckets[i]; number != 0;
             number = entry_at(shard, number)->next)
            rows[count++] = row_of(index, entry_at(shard, number), shard_number);
    *ret_count = rows == NULL ? shard->count + 1 : count;
    pthread_mutex_unlock(&shard->lock);
    return rows;
}

uint64_t disk_index_count(const struct disk_index *index)
{
    return atomic_load_explicit(&index->count, memory_order_relaxed);
}

uint64_t disk_index_bytes(struct disk_index *index)
{
    uint64_t bytes = sizeof(*index);

    for (unsigned i = 0; i < DISK_INDEX_SHARDS; i++) {
        struct index_shard *shard = &index->shards[i];

        pthread_mutex_lock(&shard->lock);
        bytes +=
            shard->chunk_count * (CHUNK_ENTRIES * sizeof(struct index_entry) + sizeof(void *)) +
                 shard->bucket_count * sizeof(uint32_t);
        pthread_mutex_unlock(&shard->lock);
    }
    return bytes;
}
