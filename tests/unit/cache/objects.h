// SPDX-License-Identifier: MIT
/* What the unit tests of the memory tier share: cmocka, and objects made in one line. */
#ifndef TESTS_UNIT_CACHE_OBJECTS_H
#define TESTS_UNIT_CACHE_OBJECTS_H

#include "base/unit.h"

#include "base/arena.h"
#include "base/pool.h"
#include "cache/object.h"

enum { SEED = 17 };

static inline struct cache_key key_of(const char *text)
{
    return cache_key_of(SEED, text_from(text));
}

/* The 64-bit number as a key of eight bytes, in *ret_bytes. */
static inline struct cache_key key_of_number(uint64_t number, uint64_t *ret_bytes)
{
    *ret_bytes = number;
    return cache_key_of(SEED, text_of((const char *)ret_bytes, sizeof(*ret_bytes)));
}

static inline struct object *object_made(const struct object_parts *parts, uint64_t body_len)
{
    struct object *object = object_try_new(parts, body_len);

    assert_non_null(object);
    if (body_len > 0 && body_len <= OBJECT_INLINE_MOST)
        memset(object_inline_body(object), 'b', body_len);
    return object;
}

/* Stored with the serial as its Date as well; vary and variant may be NULL. */
static inline struct object *object_of(struct cache_key key, uint64_t serial, const char *vary,
                                       const char *variant, uint64_t body_len)
{
    struct object_parts parts = {
        .key = key,
        .facts = { .serial = serial, .date_s = (int64_t)serial, .status = 200 },
        .vary = text_from(vary),
        .variant = text_from(variant),
        .head = TEXT("head"),
    };

    return object_made(&parts, body_len);
}

static inline int drain(void **state)
{
    (void)state;
    pools_drain();
    return 0;
}

#endif
