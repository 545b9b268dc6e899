// SPDX-License-Identifier: MIT
/* Blocks: counted with atomics, standard ones kept per thread. */
#include "base/block.h"

#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/pool.h"

enum { BLOCKS_KEPT = 64 };

struct standard_block {
    struct block  block;
    unsigned char room[BLOCK_SIZE];
};

static struct pool   block_pool = POOL("block", struct standard_block, BLOCKS_KEPT);
static atomic_size_t total;

static struct block *block_start(struct block *block, uint32_t size)
{
    atomic_init(&block->refs, 1);
    block->size = size;
    atomic_fetch_add_explicit(&total, size, memory_order_relaxed);
    return block;
}

struct block *block_new(void)
{
    return block_start(pool_take_raw(&block_pool), BLOCK_SIZE);
}

struct block *block_new_sized(uint32_t size)
{
    if (size == BLOCK_SIZE)
        return block_new();
    return block_start(mem_resize(NULL, sizeof(struct block) + size), size);
}

struct block *block_ref(struct block *block)
{
    atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    return block;
}

void block_unref(struct block *block)
{
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1)
        return;
    atomic_fetch_sub_explicit(&total, block->size, memory_order_relaxed);
    if (block->size == BLOCK_SIZE)
        pool_give(&block_pool, block);
    else
        mem_free(block);
}

bool block_is_shared(const struct block *block)
{
    return atomic_load_explicit(&block->refs, memory_order_acquire) > 1;
}

size_t block_total(void)
{
    return atomic_load_explicit(&total, memory_order_relaxed);
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
    must(from <= slice.len && len <= slice.len - from);
    return slice_of(slice.block, slice.start + from, len);
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
