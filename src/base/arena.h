// SPDX-License-Identifier: MIT
/* Bump memory with one death.
 *
 * One arena per exchange, snapshot or parse; everything in it is freed whole. Pages of 4 KB come
 * from a cache of the thread that frees and takes them, so an exchange in steady state costs no
 * malloc. Owner: whoever called arena_new(). One thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/text.h"

struct arena;

struct arena *arena_new(void);

/* Runs the undo functions, last registered first, frees everything and clears *arena. */
void arena_free(struct arena **arena);

/* Zeroed, aligned to 16; never NULL. */
void *arena_get(struct arena *arena, size_t size) __attribute__((returns_nonnull));
/* The same, not zeroed, aligned to 1: for bytes. */
char *arena_bytes(struct arena *arena, size_t size) __attribute__((returns_nonnull));

struct text arena_copy(struct arena *arena, struct text text);
/* NUL-terminated copy, for the C library. */
char *arena_string(struct arena *arena, struct text text) __attribute__((returns_nonnull));
/* printf into the arena; also NUL-terminated (the NUL is not counted). */
struct text arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/* Grows the last thing that arena_bytes() gave, in place when it can, by copying when it can't.
 * For anything older, and for shrinking, it works as well, but the old bytes are not had back. */
char *arena_grow(struct arena *arena, char *bytes, size_t old_size, size_t new_size);

/* Calls undo(object) when the arena dies. */
void arena_defer(struct arena *arena, void (*undo)(void *object), void *object);

/* Bytes taken from the system for it, pages included. */
size_t arena_size(const struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_get((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_get((arena), sizeof(type) * (count)))

#endif
