// SPDX-License-Identifier: MIT
/* The one caller of malloc. What cannot fail is checked with must(): an abort with a line in the log
 * is better than a crash somewhere else later. Stateless, so any thread; the debug build counts the
 * calls that may fail, to let a chosen one do so. */
#include "base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#ifdef FRONTDESK_DEBUG
#include <stdatomic.h>
#include <stdbool.h>

/* FAIL_NTH_ALLOC=n: the nth mem_try() of the process fails. */
static bool fails_now(void)
{
    static atomic_long calls, nth = -1;

    if (atomic_load(&nth) < 0) {
        const char *value = getenv("FAIL_NTH_ALLOC");
        long        number = value != NULL ? strtol(value, NULL, 10) : 0;

        atomic_store(&nth, number > 0 ? number : 0);
    }
    return atomic_load(&nth) > 0 && atomic_fetch_add(&calls, 1) + 1 == atomic_load(&nth);
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

void mem_trim(void)
{
    (void)malloc_trim(0);
}

char *mem_string(const char *ptr, size_t len)
{
    char *string = mem_new(len + 1);

    if (len > 0)
        memcpy(string, ptr, len);
    return string;
}
