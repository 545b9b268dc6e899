// SPDX-License-Identifier: MIT
/* What nghttp2 allocates, counted as work (base/budget.h). Its sizes follow what peers send, so each
 * allocation may be refused, which ends that connection; but not while the engine is made, where they
 * are the program's own.
 *
 * Half of an engine is room for the frame that it writes, and most of the rest a table of streams; a
 * connection that rests has neither frames nor streams. So these two lie in pages of their own, which are
 * given up then. They are known by their size, within the making of the engine: another nghttp2 might have
 * others, and then they are from malloc as everything else. */
#include <string.h>

#include "base/budget.h"
#include "base/mem.h"
#include "http/h2_parts.h"

enum {
    TABLE_BYTES = 4096,                  /* nghttp2_map.c: 256 places of 16 bytes */
    FRAME_BYTES = 16384 + 1 + 9,         /* nghttp2_session.h: NGHTTP2_FRAMEBUF_CHUNKLEN */
    RUN_BYTES = TABLE_BYTES + 5 * 4096   /* the table first, then the frame */
};

static struct pages pages = PAGES(RUN_BYTES);

static void *frame_room(const struct h2_codec *h2)
{
    return h2->pages.bytes + TABLE_BYTES;
}

/* NULL: neither of the two. */
static void *allocate_pages(struct h2_codec *h2, size_t size)
{
    bool *has = size == TABLE_BYTES ? &h2->has_table : size == FRAME_BYTES ? &h2->has_frame_room : NULL;

    if (h2->is_made || has == NULL || *has)
        return NULL;
    if (h2->pages.bytes == NULL)
        h2->pages = pages_take(&pages);
    if (h2->pages.bytes == NULL)
        return NULL;
    *has = true;
    budget_add((int64_t)size);
    return has == &h2->has_table ? h2->pages.bytes : frame_room(h2);
}

static bool release_pages(struct h2_codec *h2, const void *memory)
{
    bool *has = h2->pages.bytes == NULL       ? NULL
                : memory == h2->pages.bytes   ? &h2->has_table
                : memory == frame_room(h2)    ? &h2->has_frame_room
                                              : NULL;

    if (has == NULL)
        return false;
    budget_add(has == &h2->has_table ? -TABLE_BYTES : -FRAME_BYTES);
    *has = false;
    return true;
}

static void *h2_allocate(size_t size, void *arg)
{
    struct h2_codec *h2 = arg;
    void            *memory = allocate_pages(h2, size);

    if (memory != NULL)
        return memory;
    memory = h2->is_made ? mem_try(size) : mem_resize(NULL, size);
    if (memory != NULL)
        budget_add((int64_t)mem_size(memory));
    return memory;
}

static void h2_release(void *memory, void *arg)
{
    if (memory == NULL || release_pages(arg, memory))
        return;
    budget_add(-(int64_t)mem_size(memory));
    mem_free(memory);
}

static void *h2_allocate_zeroed(size_t count, size_t size, void *arg)
{
    void *memory;

    if (size > 0 && count > SIZE_MAX / size)
        return NULL;
    memory = h2_allocate(count * size, arg);
    if (memory != NULL)
        memset(memory, 0, count * size);
    return memory;
}

static size_t size_of(const struct h2_codec *h2, void *memory)
{
    if (h2->pages.bytes != NULL && memory == h2->pages.bytes)
        return TABLE_BYTES;
    if (h2->pages.bytes != NULL && memory == frame_room(h2))
        return FRAME_BYTES;
    return mem_size(memory);
}

static void *h2_resize(void *memory, size_t size, void *arg)
{
    void  *resized = h2_allocate(size, arg);
    size_t former;

    if (resized == NULL || memory == NULL)
        return resized;
    former = size_of(arg, memory);
    memcpy(resized, memory, former < size ? former : size);
    h2_release(memory, arg);
    return resized;
}

nghttp2_mem h2_memory_of(struct h2_codec *h2)
{
    return (nghttp2_mem){ .mem_user_data = h2,
                          .malloc = h2_allocate,
                          .free = h2_release,
                          .calloc = h2_allocate_zeroed,
                          .realloc = h2_resize };
}

/* Nothing but zeros, which is how pages come. */
static bool table_is_empty(const struct h2_codec *h2)
{
    static const unsigned char zeros[TABLE_BYTES];

    return !h2->has_table || memcmp(h2->pages.bytes, zeros, TABLE_BYTES) == 0;
}

void h2_memory_rest(struct h2_codec *h2)
{
    if (h2->pages.bytes != NULL && table_is_empty(h2))
        pages_forget(&pages, &h2->pages);
}

void h2_memory_done(struct h2_codec *h2)
{
    must(!h2->has_table && !h2->has_frame_room);
    pages_give(&pages, &h2->pages);
}
