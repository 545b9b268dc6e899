// SPDX-License-Identifier: MIT
/* The limit beside what malloc itself says: within one per cent, everything included, when 200,000
 * objects of all sizes have passed. In a program of its own, for malloc counts the whole process. */
#include "objects.h"

#include <malloc.h>

#include "cache/memory.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
enum { HAS_MALLINFO = 0 };
#else
enum { HAS_MALLINFO = 1 };
#endif

enum { OBJECTS = 200000, LIMIT = 100 * 1000 * 1000 };

static size_t allocated_now(void)
{
    struct mallinfo2 all = mallinfo2();

    return all.uordblks + all.hblkhd;
}

/* As the fill makes them: slices of 64 KB and a rest. */
static void slice_up(struct object *object, uint64_t len)
{
    struct slice slices[8];
    uint32_t     count = 0;

    for (uint64_t at = 0; at < len; at += OBJECT_SLICE_BYTES, count++) {
        uint32_t part = len - at < OBJECT_SLICE_BYTES ? (uint32_t)(len - at) : OBJECT_SLICE_BYTES;
        slices[count] = (struct slice){ .block = block_try_sized(part), .len = part };
        assert_non_null(slices[count].block);
    }
    assert_true(object_try_set_body(object, slices, count, len));
    while (count > 0)
        slice_unref(slices[--count]);
}

/* Nine in ten below 4 KB, some up to 64 KB, one in a hundred up to 400 KB. */
static uint64_t size_of(uint64_t number)
{
    uint64_t chance = number * 0x9e3779b97f4a7c15 >> 40;

    if (chance % 100 == 0)
        return chance % 400000;
    return chance % 10 == 0 ? chance % 60000 : chance % 4000;
}

static void insert(struct memory *memory, uint64_t number)
{
    char             bytes[64];
    uint64_t         len = size_of(number);
    struct cache_key key;
    struct object   *object;

    (void)snprintf(bytes, sizeof(bytes), "http://host/%.*s%llu", (int)(number % 40),
                   "a/path/of/forty/characters/or/a/few/less", (unsigned long long)number);
    key = key_of(bytes);
    object = object_of(key, number, NULL, NULL, len);
    if (len > OBJECT_INLINE_MOST)
        slice_up(object, len);
    assert_true(memory_insert(memory, object));
    object_unref(object);
}

static void the_limit_is_what_malloc_says(void **state)
{
    size_t         before = allocated_now(), held;
    struct purges *purges = purges_new();
    struct memory *memory = memory_new(LIMIT, purges);

    (void)state;
    for (uint64_t number = 1; number <= OBJECTS; number++) {
        insert(memory, number);
        if (number % 1000 != 0)
            continue;
        held = allocated_now() - before;
        assert_true(memory_figures(memory).bytes <= LIMIT);
        assert_true(!HAS_MALLINFO || held <= LIMIT / 100 * 101);
    }
    held = allocated_now() - before;
    print_message("limit %d, counted %llu, malloc %zu, %llu objects\n", LIMIT,
                  (unsigned long long)memory_figures(memory).bytes, held,
                  (unsigned long long)memory_figures(memory).objects);
    assert_true(memory_figures(memory).bytes >= LIMIT / 100 * 99);
    assert_true(!HAS_MALLINFO || held >= LIMIT / 100 * 99);
    memory_free(&memory);
    purges_free(&purges);
    pools_drain();
    assert_true(!HAS_MALLINFO || allocated_now() < before + LIMIT / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_limit_is_what_malloc_says) };

    return cmocka_run_group_tests_name("cache/memory_limit", tests, NULL, drain);
}
