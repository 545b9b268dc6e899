// SPDX-License-Identifier: MIT
/* block: counted bytes, whichever thread drops them last. */
#include "check.h"

#include <pthread.h>

#include "base/block.h"
#include "base/pool.h"

static int drain(void **state)
{
    (void)state;
    pools_drain();
    return 0;
}

static void blocks_are_counted_in_bytes(void **state)
{
    size_t        before = block_total();
    struct block *standard = block_new(), *small = block_new_sized(100);
    struct block *same = block_new_sized(BLOCK_SIZE);

    (void)state;
    assert_int_equal(standard->size, BLOCK_SIZE);
    assert_int_equal(small->size, 100);
    assert_int_equal(block_total() - before, 2 * BLOCK_SIZE + 100);
    memset(standard->bytes, 'x', BLOCK_SIZE);
    memset(small->bytes, 'x', 100);
    block_unref(standard);
    block_unref(small);
    assert_int_equal(block_total() - before, BLOCK_SIZE);
    block_unref(same);
    assert_int_equal(block_total(), before);
}

static void the_last_reference_ends_it(void **state)
{
    size_t        before = block_total();
    struct block *block = block_new();

    (void)state;
    assert_false(block_is_shared(block));
    assert_ptr_equal(block_ref(block), block);
    assert_true(block_is_shared(block));
    block_unref(block);
    assert_false(block_is_shared(block));
    assert_int_equal(block_total() - before, BLOCK_SIZE);
    block_unref(block);
    assert_int_equal(block_total(), before);
}

static void slices_hold_their_block(void **state)
{
    size_t       before = block_total();
    struct slice whole = slice_copy(TEXT("hello, world")), part, same;

    (void)state;
    part = slice_part(whole, 7, 5);
    same = slice_ref(part);
    assert_int_equal(atomic_load(&whole.block->refs), 3);
    slice_unref(whole);
    CHECK_TEXT(slice_text(part), "world");
    assert_ptr_equal(slice_ptr(same), part.block->bytes + 7);
    slice_unref(part);
    CHECK_TEXT(slice_text(same), "world");
    slice_unref(same);
    assert_int_equal(block_total(), before);
}

static void parts_of_parts_count_from_their_own_start(void **state)
{
    struct block *block = block_new();
    struct slice  outer, inner, empty;

    (void)state;
    memcpy(block->bytes, "0123456789", 10);
    outer = slice_of(block, 2, 6);
    inner = slice_part(outer, 1, 3);
    empty = slice_part(outer, 6, 0);
    CHECK_TEXT(slice_text(outer), "234567");
    CHECK_TEXT(slice_text(inner), "345");
    CHECK_TEXT(slice_text(empty), "");
    slice_unref(outer);
    slice_unref(inner);
    slice_unref(empty);
    block_unref(block);
}

static void no_slice_is_an_empty_one(void **state)
{
    struct slice none = slice_ref(SLICE_NONE), part = slice_part(none, 0, 0);

    (void)state;
    assert_int_equal(slice_text(none).len, 0);
    assert_null(part.block);
    slice_unref(none);
    none = slice_copy(TEXT_NONE);
    assert_int_equal(slice_text(none).len, 0);
    slice_unref(none);
}

static void cut_past_the_end(void)
{
    (void)slice_of(block_new_sized(10), 5, 6);
}

static void cut_past_the_wrap(void)
{
    (void)slice_of(block_new_sized(10), 2, UINT32_MAX);
}

static void part_past_the_end(void)
{
    (void)slice_part(slice_copy(TEXT("0123456789")), 11, 0);
}

static void a_slice_past_its_block_aborts(void **state)
{
    (void)state;
    CHECK_ABORTS(cut_past_the_end, "must(start <= block->size");
    CHECK_ABORTS(cut_past_the_wrap, "must(start <= block->size");
    CHECK_ABORTS(part_past_the_end, "must(from <= slice.len");
}

enum { THREADS = 4, BLOCKS = 300 };

/* Every thread holds a reference to each block, and any of them may be the last to let go. */
static void *drop_all(void *argument)
{
    struct slice *slices = argument;

    for (int i = 0; i < BLOCKS; i++) {
        struct slice mine = slice_part(slices[i], 0, 1);

        if (slice_ptr(mine)[0] != (unsigned char)i)
            return argument;
        slice_unref(slices[i]);
        slice_unref(mine);
    }
    pools_drain();
    return NULL;
}

static void threads_may_drop_in_any_order(void **state)
{
    static struct slice slices[THREADS][BLOCKS];
    size_t              before = block_total();
    pthread_t           threads[THREADS];
    void               *result;

    (void)state;
    for (int i = 0; i < BLOCKS; i++) {
        struct block *block = i % 3 == 0 ? block_new_sized(64) : block_new();

        block->bytes[0] = (unsigned char)i;
        for (int t = 0; t < THREADS; t++)
            slices[t][i] = slice_of(block, 0, 64);
        block_unref(block);
    }
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, drop_all, slices[t]), 0);
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], &result), 0);
        assert_null(result);
    }
    assert_int_equal(block_total(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_counted_in_bytes),
        cmocka_unit_test(the_last_reference_ends_it),
        cmocka_unit_test(slices_hold_their_block),
        cmocka_unit_test(parts_of_parts_count_from_their_own_start),
        cmocka_unit_test(no_slice_is_an_empty_one),
        cmocka_unit_test(a_slice_past_its_block_aborts),
        cmocka_unit_test(threads_may_drop_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, drain);
}
