// SPDX-License-Identifier: MIT
/* A stored response: its facts, its texts, its body. Counted; shared by all loops.
 *
 * Everything but the last three groups below is written by the one who makes the object, before
 * anybody else sees it, and never changes after; an answer that is refreshed becomes a new object
 * that shares the old one's body. The body lies in counted slices in memory, or in a file of its own
 * (`large`) that the disk tier keeps. A body of up to OBJECT_INLINE_MOST bytes lies in the object's
 * own block, right behind its texts: one allocation for the whole.
 *
 * Slices of a body outlive the object: they hold the blocks. */
#ifndef CACHE_OBJECT_H
#define CACHE_OBJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/block.h"
#include "cache/key.h"

struct large_body;

enum { OBJECT_INLINE_MOST = 64 * 1024, OBJECT_SLICE_BYTES = 64 * 1024, OBJECT_LABELS_MOST = 512 };

/* On its way to the disk: memory keeps it meanwhile, or it would be nowhere. Who replaces or removes it
 * there owes the disk's queue its bytes in the limit. */
enum object_queued { OBJECT_UNQUEUED = 0, OBJECT_QUEUED, OBJECT_QUEUED_OWED };

enum object_flag {
    OBJECT_MUST_REVALIDATE = 1u << 0,    /* must-revalidate, proxy-revalidate, s-maxage: never stale */
    OBJECT_NO_CACHE = 1u << 1,           /* never without asking the origin first */
    OBJECT_HEURISTIC = 1u << 2,          /* nobody said how long it is fresh */
    OBJECT_HAS_VALIDATOR = 1u << 3,      /* ETag or Last-Modified */
    OBJECT_IS_VARIED = 1u << 4           /* has a Vary: `vary` and `variant` say of what */
};

/* What is known beside the bytes. Goes to disk as it is (little endian, no padding). */
struct object_facts {
    uint64_t serial;                     /* order of storing within its cache; larger is later */
    int64_t  response_ms;                /* wall clock when it came (RFC 9111 4.2.3) */
    int64_t  date_s;                     /* its Date, or when it came */
    uint32_t initial_age_s;              /* corrected_initial_age */
    uint32_t lifetime_s;                 /* freshness lifetime */
    uint32_t stale_revalidate_s;         /* stale-while-revalidate */
    uint32_t stale_error_s;              /* stale-if-error */
    uint32_t flags;                      /* enum object_flag */
    uint32_t status;
};

struct object {
    atomic_uint         refs;
    struct block       *home;            /* this object and its texts lie in it */
    struct object_facts facts;
    struct cache_hash   hash;
    int64_t             born_ms;         /* monotonic: initial_age_s is its age then */
    uint32_t            key_len, vary_len, variant_len, head_len, label_count;
    uint32_t            slice_count;
    uint64_t            body_len;
    struct slice       *body;            /* NULL: inline, large, or empty */
    struct large_body  *large;           /* counted; NULL: the body is in memory */

    /* Of the memory tier, under the lock of its shard. */
    struct object      *next;            /* of the same bucket */
    struct object      *newer, *older;   /* of the same queue */
    uint8_t             queue;           /* 0: not in the tier */

    /* Any thread. */
    atomic_uchar        uses;            /* of late: for eviction */
    atomic_uchar        tick;            /* of the memory tier, when it was asked for last */
    atomic_uchar        queued;          /* enum object_queued */
    atomic_uint         purge_epoch;     /* purges up to this one do not concern it */

    /* Of the disk tier. */
    atomic_uint_least64_t place;         /* where its record lies; 0: nowhere (disk.h) */
};

/* What an object is made of; all texts are copied. */
struct object_parts {
    struct object_facts facts;
    struct cache_key    key;
    struct text         vary;            /* canonical names (vary.h); empty: none */
    struct text         variant;         /* the request's values for them */
    struct text         head;            /* packed by stored_head.h */
    const uint64_t     *labels;          /* cache_label_hash()es: key first, host second, tags */
    uint32_t            label_count;
};

/* One reference, held by the caller. NULL when memory is short. With `body_len` <= OBJECT_INLINE_MOST
 * the body is inline and still to be written through object_inline_body(); else it is empty. */
struct object *object_try_new(const struct object_parts *parts, uint64_t body_len) WARN_UNUSED;
/* A body of slices of OBJECT_SLICE_BYTES each, the last of what is left; or one slice that holds all of
 * it. Takes references. False: no memory. Once, before anybody else sees the object. */
bool           object_try_set_body(struct object *object, const struct slice *slices,
                                   uint32_t count, uint64_t len) WARN_UNUSED;
void           object_set_large(struct object *object, struct large_body *body, uint64_t len);
struct object *object_ref(struct object *object);
void           object_unref(struct object *object);

/* Views into the object; valid while it is held. */
struct text     object_key(const struct object *object);
struct text     object_vary(const struct object *object);
struct text     object_variant(const struct object *object);
struct text     object_head(const struct object *object);
const uint64_t *object_labels(const struct object *object);
bool            object_is_inline(const struct object *object);
unsigned char  *object_inline_body(struct object *object);    /* for whoever makes it */

/* The part [from, from+most) of a body in memory, as far as one slice reaches: with a reference of
 * its own; len 0 at the end. Not for `large` ones. */
struct slice object_slice(const struct object *object, uint64_t from, uint32_t most);

/* All that it costs in memory, allocator's overhead included: for limits. The same all its life. */
size_t object_bytes(const struct object *object);
/* What of that are blocks, as the budget counts them (base/budget.h). */
size_t object_block_bytes(const struct object *object);
/* What an allocation of so many bytes costs. */
size_t object_allocated(size_t bytes);

/* Seconds since the origin made or validated it (current_age of RFC 9111 4.2.3). */
int64_t object_age_s(const struct object *object, int64_t now_ms);

#endif
