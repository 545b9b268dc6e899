// SPDX-License-Identifier: MIT
/* Blocks: counted with atomics, standard ones kept per thread. A reference may be taken only by
 * somebody who holds one, so the only holder knows that he is alone and drops without a locked
 * instruction. The bytes alive are counted in a few places that threads rarely share, since one
 * place would be written by all of them for each block. */
#include "base/block.h"

#include <string.h>
#include <threads.h>

#include "base/budget.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/pool.h"

enum { BLOCKS_KEPT = 16, TALLIES = 64 };

struct standard_block {
    _Alignas(struct block) unsigned char memory[sizeof(struct block) + BLOCK_SIZE];
};

/* Threads share a tally only when there are more of them than tallies. A block that dies on another
 * thread makes one tally wrap; their sum is right all the same. */
struct tally {
    _Alignas(64) atomic_size_t bytes;
};

static struct pool  block_pool = POOL("block", struct standard_block, BLOCKS_KEPT);
static struct tally tallies[TALLIES];
static atomic_uint  threads_seen;

static thread_local atomic_size_t *tally;

static void tally_add(size_t bytes)
{
    if (tally == NULL)
        tally = &tallies[atomic_fetch_add(&threads_seen, 1) % TALLIES].bytes;
    atomic_fetch_add_explicit(tally, bytes, memory_order_relaxed);
}

static struct block *block_start(struct block *block, uint32_t size)
{
    atomic_init(&block->refs, 1);
    block->size = size;
    tally_add(size);
    return block;
}

struct block *block_new(void)
{
    return block_start(pool_take_raw(&block_pool), BLOCK_SIZE);
}

struct block *block_try(void)
{
    struct block *block = pool_try_raw(&block_pool);

    return block == NULL ? NULL : block_start(block, BLOCK_SIZE);
}

static int64_t bytes_of(uint32_t size)
{
    return (int64_t)(sizeof(struct block) + size);
}

struct block *block_try_sized(uint32_t size)
{
    struct block *block;

    if (size == BLOCK_SIZE)
        return block_try();
    block = mem_try(sizeof(struct block) + size);
    if (block == NULL)
        return NULL;
    budget_add(bytes_of(size));
    return block_start(block, size);
}

struct block *block_new_sized(uint32_t size)
{
    if (size == BLOCK_SIZE)
        return block_new();
    budget_add(bytes_of(size));
    return block_start(mem_resize(NULL, sizeof(struct block) + size), size);
}

struct block *block_ref(struct block *block)
{
    atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    return block;
}

void block_unref(struct block *block)
{
    if (block_is_shared(block) &&
        atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1)
        return;
    tally_add(-(size_t)block->size);
    if (block->size == BLOCK_SIZE) {
        pool_give(&block_pool, block);
        return;
    }
    budget_add(-bytes_of(block->size));
    mem_free(block);
}

bool block_is_shared(const struct block *block)
{
    return atomic_load_explicit(&block->refs, memory_order_acquire) > 1;
}

size_t block_total(void)
{
    size_t total = 0;

    for (unsigned i = 0; i < TALLIES; i++)
        total += atomic_load_explicit(&tallies[i].bytes, memory_order_relaxed);
    return total;
}

struct slice slice_of(struct block *block, uint32_t start, uint32_t len)
{
    must(start <= block->size && len <= block->size - start);
    return (struct slice){ .block = block_ref(block), .start = start, .len = len };
}

struct slice slice_copy(struct text text)
{
    struct block *block;

    must(text.len < UINT32_MAX);
    block = block_new_sized((uint32_t)text.len);
    if (text.len > 0)
        memcpy(block->bytes, text.ptr, text.len);
    return (struct slice){ .block = block, .start = 0, .len = (uint32_t)text.len };
}

struct slice slice_ref(struct slice slice)
{
    if (slice.block != NULL)
        block_ref(slice.block);
    return slice;
}

void slice_unref(struct slice slice)
{
    if (slice.block != NULL)
        block_unref(slice.block);
}

struct slice slice_part(struct slice slice, uint32_t from, uint32_t len)
{
    return slice_ref(slice_view(slice, from, len));
}

struct slice slice_view(struct slice slice, uint32_t from, uint32_t len)
{
    must(from <= slice.len && len <= slice.len - from);
    return (struct slice){ .block = slice.block, .start = slice.start + from, .len = len };
}

const unsigned char *slice_ptr(struct slice slice)
{
    return slice.block->bytes + slice.start;
}

struct text slice_text(struct slice slice)
{
    if (slice.block == NULL)
        return TEXT_NONE;
    return text_of((const char *)slice_ptr(slice), slice.len);
}
