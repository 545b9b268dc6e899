// SPDX-License-Identifier: MIT
/* The one caller of malloc, and its reserve. What cannot fail is checked with must(): an abort with a
 * line in the log is better than a crash somewhere else later.
 *
 * malloc fails when the process may have no more address space or no more is promised to it
 * (RLIMIT_AS, RLIMIT_DATA, strict overcommit), and there a private mapping counts whether it was
 * touched or not. So the reserve is one that nobody touches: it costs no memory. When the system has
 * none, some of malloc's own will do, which after a shortage often has much that it cannot give back. */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/shortage.h"

enum { RESERVE_BYTES = 1024 * 1024 };

static _Atomic(void *)   mapped, allocated;   /* the reserve is one of them */
static _Atomic uint64_t failures;

static void mapped_drop(void *bytes)
{
    if (bytes != NULL)
        (void)munmap(bytes, RESERVE_BYTES);
}

static bool reserve_map(void)
{
    void *former = NULL;
    void *bytes =
        mmap(NULL, RESERVE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bytes == MAP_FAILED)
        return false;
    if (!atomic_compare_exchange_strong(&mapped, &former, bytes))
        mapped_drop(bytes);
    return true;
}

static bool reserve_allocate(void)
{
    void *former = NULL, *bytes = malloc(RESERVE_BYTES);

    if (bytes != NULL && !atomic_compare_exchange_strong(&allocated, &former, bytes))
        free(bytes);
    return bytes != NULL;
}

bool mem_reserve(void)
{
    return atomic_load(&mapped) != NULL || atomic_load(&allocated) != NULL || reserve_map() ||
           reserve_allocate();
}

uint64_t mem_failures(void)
{
    return atomic_load(&failures);
}

static __attribute__((noinline)) void note_failure(void)
{
    atomic_fetch_add(&failures, 1);
    shortage_begin(SHORTAGE_SYSTEM);
}

static __attribute__((noinline)) void reserve_spend(void)
{
    note_failure();
    mapped_drop(atomic_exchange(&mapped, NULL));
    free(atomic_exchange(&allocated, NULL));
}

void *mem_new(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);

    if (memory == NULL) {
        reserve_spend();
        memory = calloc(1, size > 0 ? size : 1);
    }
    must(memory != NULL);
    return memory;
}

void *mem_try(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);

    if (memory == NULL)
        note_failure();
    return memory;
}

void *mem_resize(void *memory, size_t size)
{
    void *resized = realloc(memory, size > 0 ? size : 1);

    if (resized == NULL) {
        reserve_spend();
        resized = realloc(memory, size > 0 ? size : 1);
    }
    must(resized != NULL);
    return resized;
}

void mem_free(void *memory)
{
    free(memory);
}

size_t mem_size(void *memory)
{
    return malloc_usable_size(memory);
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
