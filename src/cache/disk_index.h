// SPDX-License-Identifier: MIT
/* The index of a cache on disk: what lies where, in at most 32 bytes an object.
 *
 * An entry knows 70 bits of its key's hash, 32 of them mixed with those of its variant's, and the number of
 * its Vary: enough to find without reading, not enough to believe without. Shards with a lock each; a call takes
 * one of them shortly, but for those that walk. Any thread. Entries hold the low half of their
 * segment's number, so segments must not be further apart than DISK_INDEX_SEGMENTS_MOST. */
#ifndef CACHE_DISK_INDEX_H
#define CACHE_DISK_INDEX_H

#include "cache/disk_vary.h"
#include "cache/key.h"
#include "cache/memory.h"

enum { DISK_INDEX_SHARDS = 64, DISK_INDEX_SEGMENTS_MOST = 60000 };

struct disk_index;

/* What an entry knows. From a walk `hash` has only what identifies it here. */
struct index_row {
    struct cache_hash hash;
    uint64_t          place;             /* disk_format.h */
    uint32_t          variant;           /* disk_index_variant() */
    uint32_t          date_s;
    uint16_t          vary;              /* its number */
    bool              is_used;           /* asked for since it was written */
};

struct disk_index *disk_index_new(uint64_t seed);
void               disk_index_free(struct disk_index **index);
/* The number of the newest segment that entries may lie in; before the first of them is put. */
void               disk_index_newest(struct disk_index *index, uint32_t segment);

/* The hash of a variant of this key, with bits of the key's that an entry has no other room for. */
uint32_t disk_index_variant(const struct disk_index *index, struct cache_hash hash,
                            struct text variant);
uint32_t disk_index_date(int64_t date_s);

/* Instead of the entry for the same hash, vary and variant, whose place comes back in *ret_former (0:
 * there was none). False: no memory. */
bool     disk_index_put(struct disk_index *index, const struct index_row *row, uint64_t *ret_former)
    WARN_UNUSED;
/* The most recent one whose variant is the ask's (NULL: that does not vary); 0: none. */
uint64_t disk_index_find(struct disk_index *index, const struct disk_vary *varies,
                         struct cache_hash hash, struct variant_ask *ask);
/* Marks the entry of this hash, vary and variant as used, wherever it lies by now. */
void     disk_index_use(struct disk_index *index, struct cache_hash hash, uint16_t vary,
                        uint32_t variant);
/* Anything that may be of this key. */
bool     disk_index_has_key(struct disk_index *index, struct cache_hash hash);
bool     disk_index_has(struct disk_index *index, struct cache_hash hash, uint64_t place,
                        bool *ret_is_used);
/* Takes the entry out if it still leads to this place. */
bool     disk_index_take(struct disk_index *index, struct cache_hash hash, uint64_t place);
/* Takes out all that lie in a segment; how many. */
uint64_t disk_index_drop_segment(struct disk_index *index, uint32_t segment);

/* The rows of one shard, copied while its lock is held; freed with mem_free(). NULL and *ret_count > 0:
 * no memory. */
struct index_row *disk_index_rows(struct disk_index *index, unsigned shard, uint32_t *ret_count);

/* The places of those in a segment that were used, in order; freed with mem_free(). NULL: there are none,
 * or no memory. */
uint64_t *disk_index_used(struct disk_index *index, uint32_t segment, size_t *ret_count);

/* Nothing in that segment counts as used. */
void      disk_index_forget_uses(struct disk_index *index, uint32_t segment);

uint64_t disk_index_count(const struct disk_index *index);
uint64_t disk_index_bytes(struct disk_index *index);     /* all its memory */

#endif
