// SPDX-License-Identifier: MIT
/* The one caller of malloc. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#ifdef FRONTDESK_DEBUG
#include <stdatomic.h>
#include <stdbool.h>

/* FAIL_NTH_ALLOC=n: the nth mem_try() of the process fails. */
static bool fails_now(void)
{
    static atomic_long calls;
    static long        nth = -1;

    if (nth < 0) {
        const char *value = getenv("FAIL_NTH_ALLOC");

        nth = value != NULL ? strtol(value, NULL, 10) : 0;
    }
    return nth > 0 && atomic_fetch_add(&calls, 1) + 1 == nth;
}
#endif

void *mem_new(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);

    must(memory != NULL);
    return memory;
}

void *mem_try(size_t size)
{
#ifdef FRONTDESK_DEBUG
    if (fails_now())
        return NULL;
#endif
    return malloc(size > 0 ? size : 1);
}

void *mem_resize(void *memory, size_t size)
{
    void *resized = realloc(memory, size > 0 ? size : 1);

    must(resized != NULL);
    return resized;
}

void mem_free(void *memory)
{
    free(memory);
}

char *mem_string(const char *ptr, size_t len)
{
    char *string = mem_new(len + 1);

    if (len > 0)
        memcpy(string, ptr, len);
    return string;
}
