// SPDX-License-Identifier: MIT
/* Pages of 4 KB, bumped from the front. The arena's own struct lives at the start of its first page,
 * so that an arena which needs no more is one object taken and one given back. Things too large to
 * share a page get one of their own, straight from the system, and the page being filled stays. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/budget.h"
#include "base/mem.h"
#include "base/pool.h"

enum { PAGE_BYTES = 4096, ALIGNMENT = 16, PAGES_KEPT = 256 };

struct page {
    struct page *next;
    size_t       size;
};

struct undo {
    struct undo *next;
    void       (*run)(void *object);
    void        *object;
};

struct arena {
    struct page *pages;              /* further ones, newest first */
    char        *at, *end;           /* of the page being filled */
    struct undo *undos;
    size_t       size;
};

struct page_memory {
    _Alignas(ALIGNMENT) char bytes[PAGE_BYTES];
};

static struct pool page_pool = POOL("arena page", struct page_memory, PAGES_KEPT);

struct arena *arena_new(void)
{
    struct arena *arena = pool_take_raw(&page_pool);

    arena->pages = NULL;
    arena->at = (char *)(arena + 1);
    arena->end = (char *)arena + PAGE_BYTES;
    arena->undos = NULL;
    arena->size = PAGE_BYTES;
    return arena;
}

static void page_free(struct page *page)
{
    if (page->size == PAGE_BYTES) {
        pool_give(&page_pool, page);
        return;
    }
    budget_add(-(int64_t)page->size);
    mem_free(page);
}

void arena_free(struct arena **arena)
{
    struct arena *dead = *arena;

    if (dead == NULL)
        return;
    *arena = NULL;
    for (struct undo *undo = dead->undos; undo != NULL; undo = undo->next)
        undo->run(undo->object);
    while (dead->pages != NULL) {
        struct page *page = dead->pages;

        dead->pages = page->next;
        page_free(page);
    }
    pool_give(&page_pool, dead);
}

/* A further page with room for `size`; large ones do not replace the page being filled. */
static __attribute__((noinline)) char *page_add(struct arena *arena, size_t size)
{
    enum { HEAD_BYTES = (sizeof(struct page) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };
    bool         is_large = size > PAGE_BYTES / 4;
    size_t       bytes = is_large ? HEAD_BYTES + size + 1 : PAGE_BYTES;
    struct page *page;
    char        *start;

    must(size < SIZE_MAX - PAGE_BYTES);
    page = is_large ? mem_resize(NULL, bytes) : pool_take_raw(&page_pool);
    start = (char *)page + HEAD_BYTES;
    page->size = is_large && bytes == PAGE_BYTES ? PAGE_BYTES + 1 : bytes;
    page->next = arena->pages;
    arena->pages = page;
    arena->size += bytes;
    if (is_large) {
        budget_add((int64_t)page->size);
    } else {
        arena->at = start + size;
        arena->end = (char *)page + PAGE_BYTES;
    }
    return start;
}

char *arena_bytes(struct arena *arena, size_t size)
{
    char *bytes = arena->at;

    if (size > (size_t)(arena->end - bytes))
        return page_add(arena, size);
    arena->at = bytes + size;
    return bytes;
}

void *arena_get(struct arena *arena, size_t size)
{
    size_t pad = -(uintptr_t)arena->at % ALIGNMENT, room = (size_t)(arena->end - arena->at);
    char  *bytes;

    if (pad <= room && size <= room - pad) {
        bytes = arena->at + pad;
        arena->at = bytes + size;
    } else {
        bytes = page_add(arena, size);
    }
    return memset(bytes, 0, size);
}

struct text arena_copy(struct arena *arena, struct text text)
{
    char *bytes = arena_bytes(arena, text.len);

    if (text.len > 0)
        memcpy(bytes, text.ptr, text.len);
    return text_of(bytes, text.len);
}

char *arena_string(struct arena *arena, struct text text)
{
    char *bytes = arena_bytes(arena, text.len + 1);

    if (text.len > 0)
        memcpy(bytes, text.ptr, text.len);
    bytes[text.len] = '\0';
    return bytes;
}

struct text arena_format(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    char   *bytes;
    int     len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    must(len >= 0);
    bytes = arena_bytes(arena, (size_t)len + 1);
    (void)vsnprintf(bytes, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return text_of(bytes, (size_t)len);
}

char *arena_grow(struct arena *arena, char *bytes, size_t old_size, size_t new_size)
{
    char *grown;

    if (bytes + old_size == arena->at && new_size <= (size_t)(arena->end - bytes)) {
        arena->at = bytes + new_size;
        return bytes;
    }
    grown = arena_bytes(arena, new_size);
    memcpy(grown, bytes, old_size < new_size ? old_size : new_size);
    return grown;
}

void arena_defer(struct arena *arena, void (*run)(void *object), void *object)
{
    struct undo *undo = arena_get(arena, sizeof(*undo));

    *undo = (struct undo){ .next = arena->undos, .run = run, .object = object };
    arena->undos = undo;
}

size_t arena_size(const struct arena *arena)
{
    return arena->size;
}
