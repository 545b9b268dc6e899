// SPDX-License-Identifier: MIT
/* Counted bytes that may cross threads, and slices: counted views of them.
 *
 * A block is written by the one who made it, before anybody else sees those bytes; after that the
 * bytes never change. Blocks of BLOCK_SIZE come from a cache per thread; whichever thread drops the
 * last reference keeps the memory. */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* bytes[] of a standard block: a 64 KB body and its head in one read. */
enum { BLOCK_SIZE = 68 * 1024 };

struct block {
    atomic_uint   refs;
    uint32_t      size;                     /* of bytes[] */
    unsigned char bytes[];
};

struct slice {
    struct block *block;
    uint32_t      start, len;
};

#define SLICE_NONE ((struct slice){ .block = NULL, .start = 0, .len = 0 })

/* One reference, held by the caller; never NULL. */
struct block *block_new(void);                              /* BLOCK_SIZE */
struct block *block_try(void) WARN_UNUSED;                  /* the same; NULL when memory is short */
struct block *block_try_sized(uint32_t size) WARN_UNUSED;
struct block *block_new_sized(uint32_t size);               /* small and chosen by us */
struct block *block_ref(struct block *block);
void          block_unref(struct block *block);
bool          block_is_shared(const struct block *block);   /* more than one reference */

/* Blocks alive in the whole process, in bytes: for limits and the status page. */
size_t block_total(void);

struct slice         slice_of(struct block *block, uint32_t start, uint32_t len); /* takes a new reference */
struct slice         slice_copy(struct text text);          /* a block of its own; text.len < 4 GB */
struct slice         slice_ref(struct slice slice);
void                 slice_unref(struct slice slice);
struct slice         slice_part(struct slice slice, uint32_t from, uint32_t len); /* new reference */
struct slice         slice_view(struct slice slice, uint32_t from, uint32_t len); /* lives by the slice's reference */
const unsigned char *slice_ptr(struct slice slice);
struct text          slice_text(struct slice slice);        /* valid while the slice is held */

#endif
