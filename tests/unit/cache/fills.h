// SPDX-License-Identifier: MIT
/* What the tests of fills and readers share: bodies whose every byte is known, fills that are led by
 * the test's thread, and a loop on a thread of its own for those who follow. */
#ifndef TESTS_UNIT_CACHE_FILLS_H
#define TESTS_UNIT_CACHE_FILLS_H

#include "net/side.h"
#include "objects.h"

#include "base/mem.h"
#include "cache/fill.h"

enum { PIECE_MOST = 300000 };

static inline unsigned char body_at(uint64_t at)
{
    return (unsigned char)('a' + (at + at / 251 + at / 65536) % 26);
}

/* Fails unless the bytes are those of a body from `from` on. */
static inline void check_bytes(struct text bytes, uint64_t from)
{
    for (size_t i = 0; i < bytes.len; i++)
        if ((unsigned char)bytes.ptr[i] != body_at(from + i))
            fail_msg("byte %llu is '%c'", (unsigned long long)(from + i), bytes.ptr[i]);
}

/* [from, from+len) of a body, static per thread. */
static inline struct text body_text(uint64_t from, size_t len)
{
    static _Thread_local char bytes[PIECE_MOST];

    must(len <= PIECE_MOST);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)body_at(from + i);
    return text_of(bytes, len);
}

static inline void begin_body(struct fill *fill, uint64_t length, uint64_t most)
{
    fill_head(fill, object_of(key_of("key"), 1, NULL, NULL, 0), length, most, NULL);
}

static inline void append(struct fill *fill, uint64_t from, size_t len)
{
    assert_true(fill_append(fill, body_text(from, len)));
}

/* [from, to), in pieces of at most that many bytes. */
static inline void append_in_pieces(struct fill *fill, uint64_t from, uint64_t to, size_t piece)
{
    for (; from < to; from += piece)
        append(fill, from, to - from < piece ? (size_t)(to - from) : piece);
}

/* Whole, and no disk to wait for. */
static inline struct object *finish(struct fill *fill)
{
    struct object *object = NULL;

    fill_end(fill);
    assert_true(fill_commit(fill, &object));
    return object;
}

static inline void nothing_to_do(struct loop *loop, void *argument)
{
    (void)loop;
    (void)argument;
}

/* Until letters that are under way are opened, and whom they wake has run. */
static inline void side_settle(struct side *side)
{
    side_call(side, nothing_to_do, NULL);
    side_call(side, nothing_to_do, NULL);
}

#endif
