// SPDX-License-Identifier: MIT
/* The memory tier: objects by key and variant, within a number of bytes.
 *
 * Shards by hash, one short lock each. Eviction is S3-FIFO: new objects enter a small queue (a tenth
 * of the bytes), those that were asked for again go on to the main queue, those that were not leave
 * behind a fingerprint, and who comes back by that goes to the main queue at once. A hit moves
 * nothing and allocates nothing: it counts up two bits. Any thread.
 *
 * The limit is one for all shards, and counts everything: objects with what the allocator adds, tables,
 * ghosts. Room is made in the object's own shard while that has about its share, else in the next one
 * that has; so any object of up to half of the limit fits, however many shards there are. There are 64,
 * or one per megabyte if the limit is smaller when the tier is made, so that queues are long enough to
 * be queues. What waits to be written to a disk is not evicted, and is counted until it is written, be it
 * replaced meanwhile. What is held here does not count as work in hand (base/budget.h): its limit is here. */
#ifndef CACHE_MEMORY_H
#define CACHE_MEMORY_H

#include "cache/object.h"
#include "cache/purges.h"

struct memory;

/* Of one key. Beyond them the one that was stored first goes, so that a hostile list of them costs
 * neither a long walk under a lock nor the whole tier. At most MEMORY_VARIES_MOST different Vary are
 * asked about; what has yet another one is not found. */
enum { MEMORY_VARIANTS_MOST = 128, MEMORY_VARIES_MOST = 8 };

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
/* Another limit, after a reload; evicts at once when it is smaller. The shards stay as many as they are. */
void           memory_resize(struct memory *memory, uint64_t bytes);

/* The most recent object (by facts.date_s, then serial; one with a Vary before one without) of this key whose variant is the ask's (RFC
 * 9111 4.1), purged ones left out, soft purged ones told in *ret_is_purged; a reference of the
 * caller's, or NULL. `ret_has_other` (may be NULL): the key has variants, none of them this one.
 * With `is_use`, it counts as asked for, and as a hit or a miss in the figures. One lock for a key
 * without variants, two for one with. What ask->variant() returns must last until this returns. */
struct object *memory_find(struct memory *memory, const struct cache_key *key,
                           struct variant_ask *ask, bool is_use, bool *ret_is_purged,
                           bool *ret_has_other);
/* Takes a reference of its own. Replaces the object of the same key, vary and variant, whose place and
 * uses it inherits. False, and nothing is changed: larger than half of the limit, or one with a larger
 * serial is there. Inserting what is in is true, and nothing else. */
bool           memory_insert(struct memory *memory, struct object *object);
/* Is the same answer there with a larger serial? */
bool           memory_has_newer(struct memory *memory, const struct object *object);
/* Is anything under this key, purged or not? */
bool           memory_has(struct memory *memory, const struct cache_key *key);
/* It was owed (OBJECT_QUEUED_OWED), and the disk's queue does not hold it any more. */
void           memory_settle(struct memory *memory, const struct object *object);
/* Takes it out, if it is still in. */
void           memory_remove(struct memory *memory, struct object *object);
/* Each object of a key that is not purged, newest first: for showing and for invalidation by key. At
 * most `most` (the newest) references into `ret_objects`; how many were put there. */
unsigned       memory_variants(struct memory *memory, const struct cache_key *key,
                               struct object **ret_objects, unsigned most);
/* Drops what is purged, shard by shard, locks held shortly; takes its time. Calls `gone` for each
 * (or NULL). Returns how many; what was stored before `memory_sweep` began and is still here
 * has been judged. */
uint64_t       memory_sweep(struct memory *memory,
                            void (*gone)(struct object *object, void *arg), void *arg);
/* The smallest serial of what is in it and stale by a purge, UINT64_MAX: nothing; takes as long as
 * sweeping. What is put in meanwhile may be missed. */
uint64_t       memory_oldest_stale(struct memory *memory);
/* Time in here: whoever is asked for, or put in, bears the tick of that moment. Ticks wrap
 * after 256: who drops idle ones does so with each. One thread calls these three. */
void           memory_tick(struct memory *memory);
/* As sweeping: drops what was not asked for during the last `ticks` whole ticks. How many. */
uint64_t       memory_drop_idle(struct memory *memory, unsigned ticks);
/* Tells `note` of memory_on_evict() of all that were asked for during the last whole tick. */
void           memory_note_used(struct memory *memory);
/* What else the owner of the limit holds, tables and books: the tier gets what is left of its limit, but
 * at least a quarter. Evicts at once when that is less. */
void           memory_set_beside(struct memory *memory, uint64_t bytes);
/* Evicted objects that were asked for in the meantime: told to `note` while no lock is held, so that
 * the disk tier knows what is worth keeping. Set once, before use. Not those that are replaced, removed
 * or swept. */
void           memory_on_evict(struct memory *memory, void (*note)(struct object *object, void *arg),
                               void *arg);
struct memory_figures memory_figures(struct memory *memory);

#endif
