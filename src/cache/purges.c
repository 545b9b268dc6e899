// SPDX-License-Identifier: MIT
/* Lines, a lock for readers and writers, and two numbers that spare most readers the lock: the epoch,
 * which grows with each purge, and the newest serial of any. A purge is written to the book before the
 * epoch grows, so whoever sees the new epoch finds the line.
 *
 * Of one label, and of "all", only the latest hard and the latest soft purge matter. */
#include "cache/purges.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cache/label_table.h"

struct prefix_line {
    struct text prefix;                  /* owned */
    uint64_t    serial;
    bool        is_soft;
};

struct purges {
    pthread_rwlock_t   lock;             /* of what follows it up to the atomics */
    struct label_table labels;
    struct prefix_line prefixes[PURGES_PREFIXES_MOST];
    unsigned           prefix_count;
    uint64_t           all_hard, all_soft;
    atomic_uint          epoch;          /* never 0 */
    atomic_uint_least64_t newest;
};

struct purges *purges_new(void)
{
    struct purges *purges = mem_new(sizeof(*purges));

    must(pthread_rwlock_init(&purges->lock, NULL) == 0);
    atomic_init(&purges->epoch, 1);
    atomic_init(&purges->newest, 0);
    return purges;
}

static void prefix_drop(struct purges *purges, unsigned at)
{
    mem_free((void *)purges->prefixes[at].prefix.ptr);
    purges->prefixes[at] = purges->prefixes[--purges->prefix_count];
}

void purges_free(struct purges **purges)
{
    if (*purges == NULL)
        return;
    while ((*purges)->prefix_count > 0)
        prefix_drop(*purges, 0);
    label_table_done(&(*purges)->labels);
    pthread_rwlock_destroy(&(*purges)->lock);
    MEM_FREE(purges);
}

/* ---- adding ---- */

static void later(uint64_t *serial, uint64_t other)
{
    *serial = other > *serial ? other : *serial;
}

/* What concerns nobody but objects with smaller serials than these. */
static void forget(struct purges *purges, uint64_t hard, uint64_t soft)
{
    label_table_forget(&purges->labels, hard, soft);
    for (unsigned i = purges->prefix_count; i-- > 0;)
        if (purges->prefixes[i].serial <= (purges->prefixes[i].is_soft ? soft : hard))
            prefix_drop(purges, i);
}

/* What "all" says, nobody else need say. */
static void add_all(struct purges *purges, uint64_t serial, bool is_soft)
{
    later(is_soft ? &purges->all_soft : &purges->all_hard, serial);
    if (purges->all_soft <= purges->all_hard)
        purges->all_soft = 0;
    forget(purges, purges->all_hard,
           purges->all_soft > purges->all_hard ? purges->all_soft : purges->all_hard);
}

static int serials_compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return first < second ? -1 : first > second;
}

static uint64_t line_serial(const struct label_line *line)
{
    return line->hard > line->soft ? line->hard : line->soft;
}

/* The median of what was purged last by label, and by prefix; 0: no memory to find it. */
static uint64_t median_of_labels(const struct label_table *table)
{
    uint64_t *serials = mem_try(table->count * sizeof(*serials)), median;
    size_t    count = 0;

    if (serials == NULL)
        return 0;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->lines[i].label != 0)
            serials[count++] = line_serial(&table->lines[i]);
    qsort(serials, count, sizeof(*serials), serials_compare);
    median = serials[count / 2];
    mem_free(serials);
    return median;
}

static uint64_t median_of_prefixes(const struct purges *purges)
{
    uint64_t serials[PURGES_PREFIXES_MOST] = { 0 };

    for (unsigned i = 0; i < purges->prefix_count; i++)
        serials[i] = purges->prefixes[i].serial;
    qsort(serials, purges->prefix_count, sizeof(*serials), serials_compare);
    return serials[purges->prefix_count / 2];
}

/* The older half becomes one line. Hard, though some may have been soft: gone is allowed where stale
 * was asked for, not the other way round. */
static bool fold(struct purges *purges, uint64_t median)
{
    if (median == 0)
        return false;
    add_all(purges, median, false);
    return true;
}

static bool add_label(struct purges *purges, uint64_t label, uint64_t serial, bool is_soft)
{
    struct label_line *line;

    if (purges->labels.count >= PURGES_LABELS_MOST &&
        label_table_find(&purges->labels, label) == NULL &&
        !fold(purges, median_of_labels(&purges->labels)))
        return false;
    line = label_table_try_get(&purges->labels, label);
    if (line == NULL)
        return false;
    later(is_soft ? &line->soft : &line->hard, serial);
    if (line->soft <= line->hard)
        line->soft = 0;
    return true;
}

/* Does `purge` say all that the line says? */
static bool says_all_of(const struct purge *purge, const struct prefix_line *line)
{
    return purge->serial >= line->serial && (!purge->is_soft || line->is_soft) &&
           text_has_prefix(line->prefix, purge->prefix);
}

static bool add_prefix(struct purges *purges, const struct purge *purge)
{
    char *copy = mem_try(purge->prefix.len);

    if (copy == NULL)
        return false;
    if (purge->prefix.len > 0)
        memcpy(copy, purge->prefix.ptr, purge->prefix.len);
    for (unsigned i = purges->prefix_count; i-- > 0;)
        if (says_all_of(purge, &purges->prefixes[i]))
            prefix_drop(purges, i);
    if (purges->prefix_count == PURGES_PREFIXES_MOST)
        (void)fold(purges, median_of_prefixes(purges));
    purges->prefixes[purges->prefix_count++] = (struct prefix_line){
        .prefix = text_of(copy, purge->prefix.len),
        .serial = purge->serial,
        .is_soft = purge->is_soft,
    };
    return true;
}

static bool add_line(struct purges *purges, const struct purge *purge)
{
    switch (purge->kind) {
    case PURGE_LABEL:
        return add_label(purges, purge->label, purge->serial, purge->is_soft);
    case PURGE_PREFIX:
        return add_prefix(purges, purge);
    case PURGE_ALL:
        add_all(purges, purge->serial, purge->is_soft);
        return true;
    }
    must(!"a kind of purge");
    return false;
}

/* Both, even when nothing was added: folding may have purged. */
static void advance(struct purges *purges, uint64_t serial)
{
    unsigned epoch = atomic_load_explicit(&purges->epoch, memory_order_relaxed) + 1;

    if (serial > atomic_load_explicit(&purges->newest, memory_order_relaxed))
        atomic_store_explicit(&purges->newest, serial, memory_order_relaxed);
    atomic_store_explicit(&purges->epoch, epoch == 0 ? 1 : epoch, memory_order_release);
}

bool purges_add(struct purges *purges, const struct purge *purge)
{
    bool is_added;

    pthread_rwlock_wrlock(&purges->lock);
    is_added = add_line(purges, purge);
    advance(purges, is_added ? purge->serial : 0);
    pthread_rwlock_unlock(&purges->lock);
    return is_added;
}

/* ---- judging ---- */

struct record {
    uint64_t        serial;
    struct text     key;
    const uint64_t *labels;
    uint32_t        label_count;
};

static void note(enum purge_verdict *verdict, enum purge_verdict other)
{
    *verdict = other > *verdict ? other : *verdict;
}

static enum purge_verdict by_serials(uint64_t serial, uint64_t hard, uint64_t soft)
{
    return serial < hard ? PURGE_GONE : serial < soft ? PURGE_STALE : PURGE_KEPT;
}

static enum purge_verdict by_labels(const struct purges *purges, const struct record *record)
{
    enum purge_verdict verdict = PURGE_KEPT;

    for (uint32_t i = 0; i < record->label_count && verdict != PURGE_GONE; i++) {
        const struct label_line *line = label_table_find(&purges->labels, record->labels[i]);
        if (line != NULL)
            note(&verdict, by_serials(record->serial, line->hard, line->soft));
    }
    return verdict;
}

static enum purge_verdict by_prefixes(const struct purges *purges, const struct record *record)
{
    enum purge_verdict verdict = PURGE_KEPT;

    for (unsigned i = 0; i < purges->prefix_count && verdict != PURGE_GONE; i++) {
        const struct prefix_line *line = &purges->prefixes[i];
        if (record->serial < line->serial && text_has_prefix(record->key, line->prefix))
            note(&verdict, line->is_soft ? PURGE_STALE : PURGE_GONE);
    }
    return verdict;
}

static enum purge_verdict judge(struct purges *purges, const struct record *record)
{
    enum purge_verdict verdict;

    pthread_rwlock_rdlock(&purges->lock);
    verdict = by_serials(record->serial, purges->all_hard, purges->all_soft);
    if (verdict != PURGE_GONE)
        note(&verdict, by_labels(purges, record));
    if (verdict != PURGE_GONE)
        note(&verdict, by_prefixes(purges, record));
    pthread_rwlock_unlock(&purges->lock);
    return verdict;
}

static bool is_newer_than_all(const struct purges *purges, uint64_t serial)
{
    return serial >= atomic_load_explicit(&purges->newest, memory_order_relaxed);
}

/* The epoch is read before the book: a purge that comes between is met at the next look. */
enum purge_verdict purges_judge(struct purges *purges, struct object *object)
{
    unsigned           epoch = atomic_load_explicit(&purges->epoch, memory_order_acquire);
    enum purge_verdict verdict = PURGE_KEPT;
    struct record      record;

    if (atomic_load_explicit(&object->purge_epoch, memory_order_relaxed) == epoch)
        return PURGE_KEPT;
    if (!is_newer_than_all(purges, object->facts.serial)) {
        record = (struct record){ object->facts.serial, object_key(object), object_labels(object),
                                  object->label_count };
        verdict = judge(purges, &record);
    }
    if (verdict == PURGE_KEPT)
        atomic_store_explicit(&object->purge_epoch, epoch, memory_order_relaxed);
    return verdict;
}

enum purge_verdict purges_judge_record(struct purges *purges, uint64_t serial, struct text key,
                                       const uint64_t *labels, uint32_t label_count)
{
    struct record record = { serial, key, labels, label_count };

    return is_newer_than_all(purges, serial) ? PURGE_KEPT : judge(purges, &record);
}

/* ---- the book itself ---- */

void purges_forget(struct purges *purges, uint64_t hard, uint64_t soft)
{
    pthread_rwlock_wrlock(&purges->lock);
    forget(purges, hard, soft);
    purges->all_hard = purges->all_hard <= hard ? 0 : purges->all_hard;
    purges->all_soft = purges->all_soft <= soft ? 0 : purges->all_soft;
    pthread_rwlock_unlock(&purges->lock);
}

size_t purges_bytes(struct purges *purges)
{
    size_t bytes = object_allocated(sizeof(*purges));

    pthread_rwlock_rdlock(&purges->lock);
    bytes += object_allocated(purges->labels.capacity * sizeof(struct label_line));
    for (unsigned i = 0; i < purges->prefix_count; i++)
        bytes += object_allocated(purges->prefixes[i].prefix.len);
    pthread_rwlock_unlock(&purges->lock);
    return bytes;
}

size_t purges_count(struct purges *purges)
{
    size_t count;

    pthread_rwlock_rdlock(&purges->lock);
    count = purges->labels.count + purges->prefix_count + (purges->all_hard > 0) +
            (purges->all_soft > 0);
    pthread_rwlock_unlock(&purges->lock);
    return count;
}

uint64_t purges_newest(const struct purges *purges)
{
    return atomic_load_explicit(&purges->newest, memory_order_relaxed);
}

/* ---- all of them ---- */

struct listing {
    struct purge *purges;
    size_t        count;
};

static void list_serials(struct listing *listing, struct purge purge, uint64_t hard, uint64_t soft)
{
    purge.serial = hard;
    if (hard > 0)
        listing->purges[listing->count++] = purge;
    purge.serial = soft;
    purge.is_soft = true;
    if (soft > 0)
        listing->purges[listing->count++] = purge;
}

static void list_lines(const struct purges *purges, struct listing *listing)
{
    list_serials(listing, (struct purge){ .kind = PURGE_ALL }, purges->all_hard, purges->all_soft);
    for (size_t i = 0; i < purges->labels.capacity; i++) {
        const struct label_line *line = &purges->labels.lines[i];
        list_serials(listing, (struct purge){ .kind = PURGE_LABEL, .label = line->label },
                     line->hard, line->soft);
    }
    for (unsigned i = 0; i < purges->prefix_count; i++) {
        struct text prefix = purges->prefixes[i].prefix;
        listing->purges[listing->count++] = (struct purge){
            .kind = PURGE_PREFIX,
            .is_soft = purges->prefixes[i].is_soft,
            .serial = purges->prefixes[i].serial,
            .prefix = text_of(mem_string(prefix.ptr, prefix.len), prefix.len),
        };
    }
}

static int purges_compare(const void *a, const void *b)
{
    const struct purge *first = a, *second = b;

    return first->serial < second->serial ? -1 : first->serial > second->serial;
}

void purges_each(struct purges *purges, void (*each)(const struct purge *purge, void *arg),
                 void *arg)
{
    struct listing listing = { .count = 0 };

    pthread_rwlock_rdlock(&purges->lock);
    listing.purges = mem_resize(NULL, (2 + 2 * purges->labels.count + purges->prefix_count) *
                                          sizeof(struct purge));
    list_lines(purges, &listing);
    pthread_rwlock_unlock(&purges->lock);
    qsort(listing.purges, listing.count, sizeof(struct purge), purges_compare);
    for (size_t i = 0; i < listing.count; i++) {
        each(&listing.purges[i], arg);
        mem_free((void *)listing.purges[i].prefix.ptr);
    }
    mem_free(listing.purges);
}
