// SPDX-License-Identifier: MIT
/* Allocation.
 *
 * Small allocations, of a size that the program itself chose, cannot fail. When malloc has none, a
 * reserve is given up, the call is made again and memory counts as short (base/shortage.h); only
 * when that does not help does the process abort, since one that runs on without 200 bytes helps
 * nobody. Sizes that configuration or the network chose are bounded by their caller and go through
 * mem_try(), whose NULL is an answer, and which leaves the reserve to those who need it more. This is
 * the only file that calls malloc. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

/* Zeroed; never NULL. Any thread. */
void *mem_new(size_t size) __attribute__((malloc, returns_nonnull));

/* Not zeroed; NULL when memory is short. Any thread. */
void *mem_try(size_t size) __attribute__((malloc)) WARN_UNUSED;

/* Grows or shrinks; new bytes are not zeroed; never NULL. */
void *mem_resize(void *memory, size_t size) __attribute__((returns_nonnull));

/* NULL is allowed. */
void mem_free(void *memory);

/* What it takes up, which may be more than was asked for. */
size_t mem_size(void *memory);

/* Frees *pointer and sets it to NULL. */
#define MEM_FREE(pointer) (mem_free(*(pointer)), *(pointer) = NULL)

/* Takes the reserve, if it is not held already: at the start, and now and then while memory is short.
 * False: there is no memory for it. Any thread. */
bool mem_reserve(void);

/* How often malloc has failed. */
uint64_t mem_failures(void);

/* Gives whole free pages back to the system; takes the allocator's locks for about a millisecond. */
void mem_trim(void);

/* A NUL-terminated copy of `len` bytes; never NULL; freed with mem_free(). */
char *mem_string(const char *ptr, size_t len) __attribute__((returns_nonnull));

#endif
