// SPDX-License-Identifier: MIT
/* Builds text, either in a fixed buffer (what does not fit is dropped and remembered) or in an
 * arena (it grows). Not NUL-terminated. Owner: the caller, on the stack; one thread. */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

struct writer {
    char         *ptr;
    size_t        len, capacity;
    struct arena *arena;      /* NULL: fixed buffer */
    bool          is_cut;     /* something did not fit */
};

struct writer writer_fixed(char *buffer, size_t size);
struct writer writer_arena(struct arena *arena, size_t first_capacity);

void writer_text(struct writer *writer, struct text text);
void writer_string(struct writer *writer, const char *string);
void writer_char(struct writer *writer, char c);
void writer_u64(struct writer *writer, uint64_t number);
void writer_hex(struct writer *writer, uint64_t number);   /* lower case, no leading zeros */
void writer_format(struct writer *writer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Makes room for `size` more bytes and returns where they go; NULL when a fixed buffer is full.
 * writer_skip() then counts what was really written there. */
static inline char *writer_reserve(struct writer *writer, size_t size);
void                writer_skip(struct writer *writer, size_t len);

struct text writer_done(const struct writer *writer);

/* For writer_reserve(), when the room is too small. */
char *writer_grow(struct writer *writer, size_t size);

static inline char *writer_reserve(struct writer *writer, size_t size)
{
    bool has_room = size <= writer->capacity - writer->len;

    return has_room ? writer->ptr + writer->len : writer_grow(writer, size);
}

#endif
