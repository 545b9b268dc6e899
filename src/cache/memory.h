// SPDX-License-Identifier: MIT
/* The memory tier: objects by key and variant, within a number of bytes.
 *
 * Shards by hash, one short lock each. Eviction is S3-FIFO: new objects enter a small queue (a tenth
 * of the bytes), those that were asked for again go on to the main queue, those that were not leave
 * behind a fingerprint, and who comes back by that goes to the main queue at once. A hit moves
 * nothing and allocates nothing: it counts up two bits. Any thread. */
#ifndef CACHE_MEMORY_H
#define CACHE_MEMORY_H

#include "cache/object.h"
#include "cache/purges.h"

struct memory;

/* Whose variant is wanted: called without a lock held, for each distinct Vary under the key. */
struct variant_ask {
    struct text (*variant)(struct variant_ask *ask, struct text vary);   /* TEXT_NONE: none matches */
};

struct memory_figures {
    uint64_t objects, bytes, limit;
    uint64_t hits, misses, inserted, evicted, ghost_hits;
};

struct memory *memory_new(uint64_t bytes, struct purges *purges);
void           memory_free(struct memory **memory);
/* Another limit, after a reload; evicts at once when it is smaller. */
void           memory_resize(struct memory *memory, uint64_t bytes);

/* The most recent object (by facts.date_s, then serial) of this key whose variant is the ask's (RFC
 * 9111 4.1), purged ones left out, soft purged ones told in *ret_is_purged; a reference of the
 * caller's, or NULL. `ret_has_other` (may be NULL): the key has variants, none of them this one.
 * With `is_use`, it counts as asked for. */
struct object *memory_find(struct memory *memory, const struct cache_key *key,
                           struct variant_ask *ask, bool is_use, bool *ret_is_purged,
                           bool *ret_has_other);
/* Takes a reference of its own. Replaces the object of the same key, vary and variant. False: larger
 * than a shard may hold. */
bool           memory_insert(struct memory *memory, struct object *object);
/* Takes it out, if it is still in. */
void           memory_remove(struct memory *memory, struct object *object);
/* Each object of a key, newest first: for showing and for invalidation by key. At most `most`
 * references into `ret_objects`; how many there are. */
unsigned       memory_variants(struct memory *memory, const struct cache_key *key,
                               struct object **ret_objects, unsigned most);
/* Drops what is purged, shard by shard, locks held shortly; for a job thread. Calls `gone` for each
 * (or NULL). Returns how many; what was stored before `memory_sweep` began and is still here
 * has been judged. */
uint64_t       memory_sweep(struct memory *memory,
                            void (*gone)(struct object *object, void *arg), void *arg);
/* Evicted objects that were asked for in the meantime: told to `note` while no lock is held, so that
 * the disk tier knows what is worth keeping. Set once, before use. */
void           memory_on_evict(struct memory *memory, void (*note)(struct object *object, void *arg),
                               void *arg);
struct memory_figures memory_figures(struct memory *memory);

#endif
