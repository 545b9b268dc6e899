// SPDX-License-Identifier: MIT
/* What nghttp2 allocates, counted as work (base/budget.h). Its sizes follow what peers send, so each
 * allocation may be refused, which ends that connection; but not while the engine is made, where they
 * are the program's own. A size stands in front of each. */
#include <string.h>

#include "base/budget.h"
#include "base/mem.h"
#include "http/h2_parts.h"

enum { FRONT_BYTES = 16 };               /* keeps what follows aligned for anything */

static void *front_of(void *memory)
{
    return (char *)memory - FRONT_BYTES;
}

static size_t size_of(void *memory)
{
    size_t size;

    memcpy(&size, front_of(memory), sizeof(size));
    return size;
}

static void *h2_allocate(size_t size, void *arg)
{
    const struct h2_codec *h2 = arg;
    char                  *memory;

    if (size > SIZE_MAX - FRONT_BYTES)
        return NULL;
    memory = h2->is_made ? mem_try(size + FRONT_BYTES) : mem_resize(NULL, size + FRONT_BYTES);
    if (memory == NULL)
        return NULL;
    memcpy(memory, &size, sizeof(size));
    budget_add((int64_t)size + FRONT_BYTES);
    return memory + FRONT_BYTES;
}

static void h2_release(void *memory, void *arg)
{
    (void)arg;
    if (memory == NULL)
        return;
    budget_add(-((int64_t)size_of(memory) + FRONT_BYTES));
    mem_free(front_of(memory));
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

static void *h2_resize(void *memory, size_t size, void *arg)
{
    void *resized = h2_allocate(size, arg);

    if (resized == NULL || memory == NULL)
        return resized;
    memcpy(resized, memory, size_of(memory) < size ? size_of(memory) : size);
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
