// SPDX-License-Identifier: MIT
/* One cache: a memory tier, perhaps a disk tier below it, and what is on its way into them. Lives as
 * long as a configuration names it, found again by name over reloads. Any thread, unless said. */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "cache/disk.h"
#include "cache/fill.h"
#include "cache/memory.h"
#include "cache/queries.h"
#include "cache/upkeep.h"

struct cache;

struct cache_settings {
    struct text name;
    struct text path;                    /* ptr NULL: no disk tier */
    uint64_t    memory;                  /* bytes of the memory tier and of all that lies beside it */
    uint64_t    object_max;              /* largest body in memory; 0: an eighth of memory, at most 16 MB */
    uint64_t    max_size, min_free;      /* of the disk tier */
    int64_t     inactive_ms;
};

/* Control thread. Never NULL: without its disk, of which the log tells, it is in memory only. */
struct cache *cache_open(const struct cache_settings *settings);
void          cache_close(struct cache **cache);
/* The process ends, and no thread uses a cache any more, but loops still exist: all disks write what waits
 * and their snapshots, and are given free. */
void          caches_end(void);
/* Whatever the threads that write disks have to say goes to the log. Control thread, every now and then. */
void          caches_say(void);
/* The same cache under a newer configuration. */
void          cache_set(struct cache *cache, const struct cache_settings *settings);

struct text      cache_name(const struct cache *cache);
struct cache_key cache_key(const struct cache *cache, struct text text);
uint64_t         cache_label(const struct cache *cache, enum cache_label kind, struct text text);
uint64_t         cache_next_serial(struct cache *cache);
/* Around everything that ends in cache_store() or cache_promote(): before the serial is given, or the disk
 * is asked, until it is in or given up. Purges are kept so long. Twice is once. */
void             cache_arrive(struct cache *cache, const struct cache_key *key,
                              struct arrival *arrival);
void             cache_arrived(struct cache *cache, struct arrival *arrival);
uint64_t         cache_object_max(const struct cache *cache);
struct fills    *cache_fills(struct cache *cache);
struct queries  *cache_queries(struct cache *cache);
struct disk     *cache_disk(struct cache *cache);        /* NULL: in memory only */

/* As memory_find(). */
struct object *cache_find(struct cache *cache, const struct cache_key *key,
                          struct variant_ask *ask, bool *ret_is_purged, bool *ret_has_other);
/* For the same request once more: counts neither as a use nor as a miss. */
struct object *cache_find_again(struct cache *cache, const struct cache_key *key,
                                struct variant_ask *ask, bool *ret_is_purged);
/* An object that was read from the disk: from now on in memory as well, unless it is too large or was
 * purged meanwhile. False: purged, it must not be used; stale by a soft purge: *ret_is_purged. */
bool           cache_promote(struct cache *cache, struct object *object, bool *ret_is_purged);
/* Into both tiers, unless it was purged since its serial was given, or memory has a newer one. False: it was
 * not kept. */
bool           cache_store(struct cache *cache, struct object *object);
/* How often a key has been asked for of late, this time included. */
unsigned       cache_count_use(struct cache *cache, const struct cache_key *key);

/* ---- purging ---- */

/* In memory at once; *ret_purge (NULL: no need to wait) is the disk's part under way, to be waited for
 * with its is_done and given back with mem_free(). */
struct cache_purge {
    enum purge_kind kind;
    bool            is_soft;
    uint64_t        label;               /* of cache_label() */
    struct text     prefix;
};
/* False: no memory for it. `waiter` is woken with WAKE_LETTER; without one (both NULL) nobody waits for the
 * disk. On a loop. */
bool cache_purge(struct cache *cache, const struct cache_purge *purge, struct task *waiter,
                 struct disk_purge **ret_purge);

/* Perhaps something is stored under this key, or on its way there. If not, it need not be purged. */
bool cache_may_hold(struct cache *cache, const struct cache_key *key);
/* Sweeps out all that is purged by now: behind a purge by prefix, which costs every look until then.
 * `waiter` is woken with WAKE_LETTER when sweep->is_done, the asker frees it then with mem_free(); without
 * one (NULL is returned) nobody hears of it, the log neither. On a loop. */
struct cache_sweep *cache_sweep_start(struct cache *cache, struct task *waiter);

/* Has there been a purge since that serial was given? What is asked for before has serial 0: never. */
bool cache_has_purged_since(const struct cache *cache, uint64_t serial);
/* Of what was asked for with that serial and is not here yet, so that of its labels two are known. */
enum purge_verdict cache_verdict_ahead(struct cache *cache, uint64_t serial,
                                       const struct cache_key *key, struct text host);
enum purge_verdict cache_verdict(struct cache *cache, struct object *object);

/* ---- for people ---- */

/* What memory holds of a key, newest first, without counting as a use: at most `most` references into
 * ret_objects; how many. */
unsigned cache_variants(struct cache *cache, const struct cache_key *key,
                        struct object **ret_objects, unsigned most);

struct cache_figures {
    struct memory_figures memory;
    struct disk_figures   disk;
    bool                  has_disk;
    struct upkeep_figures upkeep;
    size_t                purges;
    uint64_t              beside;        /* bytes beside objects, of those that memory counts */
};
struct cache_figures cache_figures(struct cache *cache);
/* All caches that live now, one after the other. Control thread. */
struct cache *cache_next(const struct cache *after);     /* NULL: the first */

#endif
