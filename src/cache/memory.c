// SPDX-License-Identifier: MIT
/* Locks, limits, variants, purges; what a shard does by itself is in memory_shard.c.
 *
 * Room is reserved in `total` before an object is linked, so the sum is never more than the limit,
 * whatever the threads do. References are dropped, and strangers called, after unlocking: freeing a
 * large body takes its time. Lock order: shard, then the book of purges. */
#include "cache/memory.h"

#include "base/budget.h"
#include "base/mem.h"
#include "cache/memory_shard.h"

enum {
    SHARDS_MOST = 64,
    BYTES_PER_SHARD = 1024 * 1024,
    LARGEST_PART = 2,
    BESIDE_PARTS = 4,
    CHAINS_PER_LOCK = 64
};

struct memory {
    struct memory_shard *shards;
    unsigned             shard_count;    /* a power of two */
    void                *shards_raw;     /* the same, as it was allocated */
    struct purges       *purges;
    void               (*note)(struct object *object, void *arg);
    void                *note_arg;
    atomic_size_t        limit;
    atomic_size_t        total;          /* everything, reservations included */
    atomic_size_t        beside;         /* of the total: what is not in here */
    atomic_uint          hand;           /* whose turn it is to make room */
    atomic_uchar         tick;
};

static unsigned shards_for(uint64_t bytes)
{
    unsigned count = 1;

    while (count < SHARDS_MOST && (uint64_t)count * 2 * BYTES_PER_SHARD <= bytes)
        count *= 2;
    return count;
}

static struct memory_shard *shards_align(void *raw)
{
    const uintptr_t line = _Alignof(struct memory_shard);

    return (struct memory_shard *)(((uintptr_t)raw + line - 1) / line * line);
}

struct memory *memory_new(uint64_t bytes, struct purges *purges)
{
    struct memory *memory = mem_new(sizeof(*memory));
    size_t         total = object_allocated(sizeof(*memory));

    memory->shard_count = shards_for(bytes);
    memory->shards_raw = mem_new((memory->shard_count + 1) * sizeof(struct memory_shard));
    memory->shards = shards_align(memory->shards_raw);
    memory->purges = purges;
    for (unsigned i = 0; i < memory->shard_count; i++) {
        shard_init(&memory->shards[i]);
        total += shard_overhead(&memory->shards[i]);
    }
    atomic_init(&memory->limit, bytes);
    atomic_init(&memory->total, total);
    return memory;
}

static struct memory_shard *shard_of(const struct memory *memory, const struct cache_hash *hash)
{
    return &memory->shards[hash->high & (memory->shard_count - 1)];
}

static void shard_lock(struct memory_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
}

static void shard_unlock(struct memory_shard *shard)
{
    pthread_mutex_unlock(&shard->lock);
}

/* ---- accounting ---- */

static void total_add(struct memory *memory, size_t bytes)
{
    atomic_fetch_add_explicit(&memory->total, bytes, memory_order_relaxed);
}

static void total_sub(struct memory *memory, size_t bytes)
{
    atomic_fetch_sub_explicit(&memory->total, bytes, memory_order_relaxed);
}

/* Bytes beyond the limit. */
static size_t excess(const struct memory *memory)
{
    size_t total = atomic_load_explicit(&memory->total, memory_order_relaxed);
    size_t limit = atomic_load_explicit(&memory->limit, memory_order_relaxed);

    return total > limit ? total - limit : 0;
}

/* Drops the tier's reference to what has left its shard. */
static void let_go(struct memory *memory, struct object *object)
{
    unsigned char queued = OBJECT_QUEUED;
    size_t        bytes = object_bytes(object);

    budget_add((int64_t)object_block_bytes(object));
    if (atomic_compare_exchange_strong(&object->queued, &queued, OBJECT_QUEUED_OWED))
        bytes = 0;                       /* it stays, for the disk's sake: memory_settle() */
    object_unref(object);
    total_sub(memory, bytes);
}

void memory_settle(struct memory *memory, const struct object *object)
{
    total_sub(memory, object_bytes(object));
}

void memory_free(struct memory **memory)
{
    if (*memory == NULL)
        return;
    for (unsigned i = 0; i < (*memory)->shard_count; i++) {
        struct memory_shard *shard = &(*memory)->shards[i];
        for (unsigned queue = QUEUE_SMALL; queue < QUEUE_COUNT; queue++)
            while (shard->queues[queue].oldest != NULL) {
                struct object *object = shard->queues[queue].oldest;
                shard_remove(shard, object);
                let_go(*memory, object);
            }
        shard_done(shard);
    }
    mem_free((*memory)->shards_raw);
    MEM_FREE(memory);
}

/* ---- making room ---- */

/* Takes what it can from a shard that has more than `floor`. False: it has not. */
static bool evict_from(struct memory *memory, struct memory_shard *shard, size_t floor)
{
    struct shard_leaving leaving = { .count = 0 };
    size_t               wanted = excess(memory), held;
    bool                 has_done = false;

    shard_lock(shard);
    held = shard_object_bytes(shard);
    if (held > floor)
        has_done = shard_evict(shard, wanted < held - floor ? wanted : held - floor, &leaving);
    shard_unlock(shard);
    for (unsigned i = 0; i < leaving.count; i++) {
        if (leaving.was_used[i] && memory->note != NULL)
            memory->note(leaving.objects[i], memory->note_arg);
        let_go(memory, leaving.objects[i]);
    }
    return has_done;
}

/* What the shards may keep, in eighths of their share, the more is needed the less. */
static const unsigned floors[] = { 7, 4, 0 };
enum { FLOORS = sizeof(floors) / sizeof(floors[0]) };

static struct memory_shard *next_shard(struct memory *memory)
{
    unsigned turn = atomic_fetch_add_explicit(&memory->hand, 1, memory_order_relaxed);

    return &memory->shards[turn & (memory->shard_count - 1)];
}

/* Evicts until the total is within the limit, from `shard` first. False: nothing is left to evict. */
static bool make_room(struct memory *memory, struct memory_shard *shard)
{
    size_t share = atomic_load_explicit(&memory->limit, memory_order_relaxed) / memory->shard_count;

    for (unsigned i = 0; i < FLOORS; i++)
        for (unsigned tries = 0; tries <= memory->shard_count; tries++) {
            while (excess(memory) > 0 && evict_from(memory, shard, share / 8 * floors[i])) {
            }
            if (excess(memory) == 0)
                return true;
            shard = next_shard(memory);
        }
    return false;
}

void memory_resize(struct memory *memory, uint64_t bytes)
{
    atomic_store(&memory->limit, bytes);
    (void)make_room(memory, next_shard(memory));
}

void memory_set_beside(struct memory *memory, uint64_t bytes)
{
    size_t limit = atomic_load(&memory->limit), most = limit - limit / BESIDE_PARTS, former;

    if (bytes > most)
        bytes = most;
    former = atomic_exchange(&memory->beside, bytes);
    total_add(memory, bytes - former);   /* wraps, and so subtracts */
    (void)make_room(memory, next_shard(memory));
}

/* ---- finding ---- */

static bool has_key(const struct object *object, const struct cache_key *key)
{
    return cache_hash_is_equal(object->hash, key->hash) &&
           text_is_equal(object_key(object), key->text);
}

/* One that says of what it varies goes before one that forgot to (RFC 9111 4.1). */
static bool is_better(const struct object *a, const struct object *b)
{
    unsigned a_varies = a->facts.flags & OBJECT_IS_VARIED;

    if (a_varies != (b->facts.flags & OBJECT_IS_VARIED))
        return a_varies != 0;
    if (a->facts.date_s != b->facts.date_s)
        return a->facts.date_s > b->facts.date_s;
    return a->facts.serial > b->facts.serial;
}

/* One search. Of each Vary under the key one object is held, while its variant is asked for. */
struct search {
    struct memory          *memory;
    const struct cache_key *key;
    struct object          *holders[MEMORY_VARIES_MOST];
    struct text             variants[MEMORY_VARIES_MOST];
    unsigned                vary_count;
    struct object          *best;
    bool                    is_purged, has_other;
};

static void search_consider(struct search *search, struct object *object)
{
    enum purge_verdict verdict;

    if (search->best != NULL && !is_better(object, search->best))
        return;
    verdict = purges_judge(search->memory->purges, object);
    if (verdict == PURGE_GONE)
        return;
    search->best = object;
    search->is_purged = verdict == PURGE_STALE;
}

static unsigned search_vary(const struct search *search, const struct object *object)
{
    for (unsigned i = 0; i < search->vary_count; i++)
        if (text_is_equal(object_vary(search->holders[i]), object_vary(object)))
            return i;
    return search->vary_count;
}

/* First: what has no variants is considered, the Vary of what has are collected. */
static void search_begin(struct search *search, const struct memory_shard *shard)
{
    struct object *object = object_table_chain(&shard->table, &search->key->hash);

    for (; object != NULL; object = object->next) {
        if (!has_key(object, search->key))
            continue;
        if (object->vary_len == 0)
            search_consider(search, object);
        else if (search->vary_count < MEMORY_VARIES_MOST &&
                 search_vary(search, object) == search->vary_count)
            search->holders[search->vary_count++] = object_ref(object);
    }
}

static bool is_asked_for(const struct search *search, const struct object *object)
{
    unsigned vary = search_vary(search, object);

    return vary < search->vary_count && search->variants[vary].ptr != NULL &&
           text_is_equal(object_variant(object), search->variants[vary]);
}

/* Second, when there are variants: all of them, by what is known now. The chain may be another one. */
static void search_again(struct search *search, const struct memory_shard *shard)
{
    struct object *object = object_table_chain(&shard->table, &search->key->hash);

    search->best = NULL;
    for (; object != NULL; object = object->next) {
        if (!has_key(object, search->key))
            continue;
        if (object->vary_len == 0 || is_asked_for(search, object))
            search_consider(search, object);
        else if (!search->has_other)
            search->has_other = purges_judge(search->memory->purges, object) != PURGE_GONE;
    }
}

static void search_ask(struct search *search, struct variant_ask *ask)
{
    for (unsigned i = 0; i < search->vary_count; i++)
        search->variants[i] = ask->variant(ask, object_vary(search->holders[i]));
}

static void search_end(struct search *search)
{
    for (unsigned i = 0; i < search->vary_count; i++)
        object_unref(search->holders[i]);
}

/* Asked for now. A hot object bears this tick already, and is not written. */
static void set_tick(const struct memory *memory, struct object *object)
{
    unsigned char tick = atomic_load_explicit(&memory->tick, memory_order_relaxed);

    if (atomic_load_explicit(&object->tick, memory_order_relaxed) != tick)
        atomic_store_explicit(&object->tick, tick, memory_order_relaxed);
}

/* A reference to the best, while the lock is held. */
static struct object *search_take(const struct search *search, struct memory_shard *shard,
                                  bool is_use)
{
    if (is_use && search->best != NULL) {
        shard_use(search->best);
        set_tick(search->memory, search->best);
        shard->figures.hits++;
    } else if (is_use) {
        shard->figures.misses++;
    }
    return search->best == NULL ? NULL : object_ref(search->best);
}

struct object *memory_find(struct memory *memory, const struct cache_key *key,
                           struct variant_ask *ask, bool is_use, bool *ret_is_purged,
                           bool *ret_has_other)
{
    struct memory_shard *shard = shard_of(memory, &key->hash);
    struct search        search UNINITIALIZED;
    struct object       *found;

    search.memory = memory;
    search.key = key;
    search.vary_count = 0;
    search.best = NULL;
    search.is_purged = search.has_other = false;
    shard_lock(shard);
    search_begin(&search, shard);
    if (search.vary_count > 0) {
        shard_unlock(shard);
        search_ask(&search, ask);
        shard_lock(shard);
        search_again(&search, shard);
    }
    found = search_take(&search, shard, is_use);
    shard_unlock(shard);
    search_end(&search);
    *ret_is_purged = search.is_purged;
    if (ret_has_other != NULL)
        *ret_has_other = found == NULL && search.has_other;
    return found;
}

/* Puts it where it belongs among the `count` newest so far, of which there may be `most`. */
static unsigned sort_in(struct object **objects, unsigned count, unsigned most,
                        struct object *object)
{
    unsigned at = count;

    while (at > 0 && is_better(object, objects[at - 1]))
        at--;
    if (at == most)
        return count;
    count += count < most;
    for (unsigned i = count - 1; i > at; i--)
        objects[i] = objects[i - 1];
    objects[at] = object;
    return count;
}

unsigned memory_variants(struct memory *memory, const struct cache_key *key,
                         struct object **ret_objects, unsigned most)
{
    struct memory_shard *shard = shard_of(memory, &key->hash);
    struct object       *object;
    unsigned             count = 0;

    shard_lock(shard);
    for (object = object_table_chain(&shard->table, &key->hash); object != NULL;
         object = object->next)
        if (has_key(object, key) && purges_judge(memory->purges, object) != PURGE_GONE)
            count = sort_in(ret_objects, count, most, object);
    for (unsigned i = 0; i < count; i++)
        object_ref(ret_objects[i]);
    shard_unlock(shard);
    return count;
}

bool memory_has(struct memory *memory, const struct cache_key *key)
{
    struct memory_shard *shard = shard_of(memory, &key->hash);
    struct object       *object;

    shard_lock(shard);
    object = object_table_chain(&shard->table, &key->hash);
    while (object != NULL && !has_key(object, key))
        object = object->next;
    shard_unlock(shard);
    return object != NULL;
}

/* ---- in and out ---- */

static bool is_same_answer(const struct object *a, const struct object *b)
{
    return text_is_equal(object_vary(a), object_vary(b)) &&
           text_is_equal(object_variant(a), object_variant(b));
}

/* Whom it replaces: the same answer, or the first of too many variants. */
static struct object *find_former(const struct memory_shard *shard, const struct object *object,
                                  bool *ret_is_same)
{
    struct cache_key key = { .text = object_key(object), .hash = object->hash };
    struct object   *other = object_table_chain(&shard->table, &object->hash), *first = NULL;
    unsigned         count = 0;

    *ret_is_same = false;
    for (; other != NULL; other = other->next) {
        if (!has_key(other, &key))
            continue;
        *ret_is_same = is_same_answer(other, object);
        if (*ret_is_same)
            return other;
        count++;
        if (first == NULL || other->facts.serial < first->facts.serial)
            first = other;
    }
    return count >= MEMORY_VARIANTS_MOST ? first : NULL;
}

bool memory_has_newer(struct memory *memory, const struct object *object)
{
    struct memory_shard *shard = shard_of(memory, &object->hash);
    const struct object *other;
    bool                 is_same, is_newer;

    shard_lock(shard);
    other = find_former(shard, object, &is_same);
    is_newer = is_same && other->facts.serial > object->facts.serial;
    shard_unlock(shard);
    return is_newer;
}

enum insertion { INSERTED = 0, INSERTED_BEFORE, REFUSED };

/* *ret_former has left the shard. */
static enum insertion insert_into(struct memory_shard *shard, struct object *object,
                                  struct object **ret_former)
{
    struct object *former;
    bool           is_same;

    *ret_former = NULL;
    if (object->queue != QUEUE_NONE)
        return INSERTED_BEFORE;
    former = find_former(shard, object, &is_same);
    if (is_same && former->facts.serial > object->facts.serial)
        return REFUSED;
    *ret_former = former;
    if (is_same) {
        shard_replace(shard, former, object);
        return INSERTED;
    }
    if (former != NULL)
        shard_remove(shard, former);
    shard_add(shard, object);
    return INSERTED;
}

bool memory_insert(struct memory *memory, struct object *object)
{
    struct memory_shard *shard = shard_of(memory, &object->hash);
    size_t               bytes = object_bytes(object), overhead;
    struct object       *former;
    enum insertion       insertion;

    if (bytes > atomic_load_explicit(&memory->limit, memory_order_relaxed) / LARGEST_PART)
        return false;
    total_add(memory, bytes);
    if (!make_room(memory, shard)) {
        total_sub(memory, bytes);
        return false;
    }
    shard_lock(shard);
    overhead = shard_overhead(shard);
    set_tick(memory, object);
    insertion = insert_into(shard, object, &former);
    total_add(memory, shard_overhead(shard) - overhead);
    if (insertion == INSERTED)
        budget_add(-(int64_t)object_block_bytes(object));
    shard_unlock(shard);
    if (insertion != INSERTED)
        total_sub(memory, bytes);
    if (former != NULL)
        let_go(memory, former);
    (void)make_room(memory, shard);      /* for what the table has grown */
    return insertion != REFUSED;
}

void memory_remove(struct memory *memory, struct object *object)
{
    struct memory_shard *shard = shard_of(memory, &object->hash);
    bool                 was_in;

    shard_lock(shard);
    was_in = object->queue != QUEUE_NONE;
    if (was_in)
        shard_remove(shard, object);
    shard_unlock(shard);
    if (was_in)
        let_go(memory, object);
}

/* ---- sweeping ---- */

/* Who goes. */
struct sweep {
    struct memory *memory;
    unsigned       idle_ticks;           /* 0: who is purged; else who was not asked for in these */
    void         (*gone)(struct object *object, void *arg);
    void          *arg;
};

static bool is_to_go(const struct sweep *sweep, struct object *object)
{
    unsigned char tick;

    if (sweep->idle_ticks == 0)
        return purges_judge(sweep->memory->purges, object) == PURGE_GONE;
    tick = atomic_load_explicit(&sweep->memory->tick, memory_order_relaxed);
    tick = (unsigned char)(tick - atomic_load_explicit(&object->tick, memory_order_relaxed));
    return tick > sweep->idle_ticks;
}

/* From chain `number` on, until enough is collected or enough is seen; where to go on. */
static size_t collect_gone(const struct sweep *sweep, struct memory_shard *shard, size_t number,
                           struct shard_leaving *leaving)
{
    size_t         end = number + CHAINS_PER_LOCK, chains = object_table_chains(&shard->table);
    struct object *object, *next;

    for (; number < end && number < chains; number++)
        for (object = object_table_chain_at(&shard->table, number); object != NULL; object = next) {
            next = object->next;
            if (!is_to_go(sweep, object))
                continue;
            if (leaving->count == SHARD_LEAVING_MOST)
                return number;
            shard_remove(shard, object);
            leaving->objects[leaving->count++] = object;
        }
    return number;
}

static uint64_t sweep_shard(const struct sweep *sweep, struct memory_shard *shard)
{
    uint64_t swept = 0;
    size_t   number = 0;
    bool     is_done = false;

    while (!is_done) {
        struct shard_leaving leaving = { .count = 0 };
        shard_lock(shard);
        number = collect_gone(sweep, shard, number, &leaving);
        is_done = number >= object_table_chains(&shard->table);
        shard_unlock(shard);
        for (unsigned i = 0; i < leaving.count; i++) {
            if (sweep->gone != NULL)
                sweep->gone(leaving.objects[i], sweep->arg);
            let_go(sweep->memory, leaving.objects[i]);
        }
        swept += leaving.count;
    }
    return swept;
}

static uint64_t sweep_all(const struct sweep *sweep)
{
    uint64_t swept = 0;

    for (unsigned i = 0; i < sweep->memory->shard_count; i++)
        swept += sweep_shard(sweep, &sweep->memory->shards[i]);
    return swept;
}

uint64_t memory_sweep(struct memory *memory, void (*gone)(struct object *object, void *arg),
                      void *arg)
{
    struct sweep sweep = { .memory = memory, .gone = gone, .arg = arg };

    return sweep_all(&sweep);
}

void memory_tick(struct memory *memory)
{
    atomic_fetch_add_explicit(&memory->tick, 1, memory_order_relaxed);
}

uint64_t memory_drop_idle(struct memory *memory, unsigned ticks)
{
    struct sweep sweep = { .memory = memory, .idle_ticks = ticks };

    return sweep_all(&sweep);
}

/* Of the chains from `number` on; a reference each. */
static size_t collect_used(const struct memory *memory, const struct memory_shard *shard,
                           size_t number, struct shard_leaving *used)
{
    unsigned char tick = atomic_load_explicit(&memory->tick, memory_order_relaxed);
    size_t        chains = object_table_chains(&shard->table);

    for (; number < chains && used->count < SHARD_LEAVING_MOST; number++)
        for (struct object *object = object_table_chain_at(&shard->table, number);
             object != NULL && used->count < SHARD_LEAVING_MOST; object = object->next)
            if ((unsigned char)(tick - 1) ==
                atomic_load_explicit(&object->tick, memory_order_relaxed))
                used->objects[used->count++] = object_ref(object);
    return number;
}

static void note_used_of(struct memory *memory, struct memory_shard *shard)
{
    struct shard_leaving used;
    size_t               number = 0;
    bool                 is_done = false;

    while (!is_done) {
        used.count = 0;
        shard_lock(shard);
        number = collect_used(memory, shard, number, &used);
        is_done = number >= object_table_chains(&shard->table);
        shard_unlock(shard);
        for (unsigned i = 0; i < used.count; i++) {
            memory->note(used.objects[i], memory->note_arg);
            object_unref(used.objects[i]);
        }
    }
}

void memory_note_used(struct memory *memory)
{
    for (unsigned i = 0; memory->note != NULL && i < memory->shard_count; i++)
        note_used_of(memory, &memory->shards[i]);
}

static uint64_t oldest_of_some(struct memory *memory, const struct memory_shard *shard,
                               size_t number)
{
    size_t   end = number + CHAINS_PER_LOCK, chains = object_table_chains(&shard->table);
    uint64_t oldest = UINT64_MAX;

    for (; number < end && number < chains; number++)
        for (struct object *object = object_table_chain_at(&shard->table, number); object != NULL;
             object = object->next)
            if (object->facts.serial < oldest &&
                purges_judge(memory->purges, object) == PURGE_STALE)
                oldest = object->facts.serial;
    return oldest;
}

uint64_t memory_oldest_stale(struct memory *memory)
{
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < memory->shard_count; i++) {
        struct memory_shard *shard = &memory->shards[i];
        bool                 is_done = false;
        for (size_t number = 0; !is_done; number += CHAINS_PER_LOCK) {
            uint64_t other;
            shard_lock(shard);
            other = oldest_of_some(memory, shard, number);
            is_done = number + CHAINS_PER_LOCK >= object_table_chains(&shard->table);
            shard_unlock(shard);
            oldest = other < oldest ? other : oldest;
        }
    }
    return oldest;
}

/* ---- whoever asks about it ---- */

void memory_on_evict(struct memory *memory, void (*note)(struct object *object, void *arg),
                     void *arg)
{
    memory->note = note;
    memory->note_arg = arg;
}

struct memory_figures memory_figures(struct memory *memory)
{
    struct memory_figures figures = { .bytes = atomic_load(&memory->total),
                                      .limit = atomic_load(&memory->limit) };

    for (unsigned i = 0; i < memory->shard_count; i++) {
        struct memory_shard *shard = &memory->shards[i];
        shard_lock(shard);
        figures.objects += shard->table.count;
        figures.hits += shard->figures.hits;
        figures.misses += shard->figures.misses;
        figures.inserted += shard->figures.inserted;
        figures.evicted += shard->figures.evicted;
        figures.ghost_hits += shard->figures.ghost_hits;
        shard_unlock(shard);
    }
    return figures;
}
