// SPDX-License-Identifier: MIT
/* Text under construction. Everything goes through writer_reserve(), the only place that knows what
 * kind of room there is; numbers are made backwards on the stack, and printf writes straight into
 * the room when it fits. */
#include "base/writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct writer writer_fixed(char *buffer, size_t size)
{
    return (struct writer){ .ptr = buffer, .capacity = size };
}

struct writer writer_arena(struct arena *arena, size_t first_capacity)
{
    return (struct writer){ .ptr = arena_bytes(arena, first_capacity), .capacity = first_capacity,
                            .arena = arena };
}

__attribute__((noinline)) char *writer_grow(struct writer *writer, size_t size)
{
    size_t capacity = writer->capacity * 2;

    if (writer->arena == NULL) {
        writer->is_cut = true;
        return NULL;
    }
    if (capacity < writer->len + size)
        capacity = writer->len + size;
    writer->ptr = arena_grow(writer->arena, writer->ptr, writer->capacity, capacity);
    writer->capacity = capacity;
    return writer->ptr + writer->len;
}

void writer_skip(struct writer *writer, size_t len)
{
    writer->len += len;
}

void writer_text(struct writer *writer, struct text text)
{
    char *at = writer_reserve(writer, text.len);

    if (at == NULL) {
        text.len = writer->capacity - writer->len;
        at = writer->ptr + writer->len;
    }
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    writer->len += text.len;
}

void writer_string(struct writer *writer, const char *string)
{
    writer_text(writer, text_from(string));
}

void writer_char(struct writer *writer, char c)
{
    char *at = writer_reserve(writer, 1);

    if (at == NULL)
        return;
    *at = c;
    writer->len++;
}

static void write_number(struct writer *writer, uint64_t number, unsigned base)
{
    char digits[24], *at = digits + sizeof(digits);

    do {
        *--at = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    writer_text(writer, text_of(at, (size_t)(digits + sizeof(digits) - at)));
}

void writer_u64(struct writer *writer, uint64_t number)
{
    write_number(writer, number, 10);
}

void writer_hex(struct writer *writer, uint64_t number)
{
    write_number(writer, number, 16);
}

/* What did not fit at the first try. printf needs room for its NUL, which the writer does not have
 * when the text just fits, so it is made elsewhere. */
static PRINTF_LIKE(3, 0) void format_long(struct writer *writer, size_t len, const char *format,
                                          va_list args)
{
    char *bytes = mem_resize(NULL, len + 1);

    (void)vsnprintf(bytes, len + 1, format, args);
    writer_text(writer, text_of(bytes, len));
    mem_free(bytes);
}

void writer_format(struct writer *writer, const char *format, ...)
{
    size_t  room = writer->capacity - writer->len;
    va_list args, again;
    int     len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(room > 0 ? writer->ptr + writer->len : NULL, room, format, args);
    must(len >= 0);
    if ((size_t)len < room)
        writer->len += (size_t)len;
    else
        format_long(writer, (size_t)len, format, again);
    va_end(again);
    va_end(args);
}

struct text writer_done(const struct writer *writer)
{
    return text_of(writer->ptr, writer->len);
}
