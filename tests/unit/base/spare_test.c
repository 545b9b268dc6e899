// SPDX-License-Identifier: MIT
/* spare: pieces of any size are apart, come back where they fit, and no more rest than is kept. */
#include "check.h"

#include <malloc.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/shortage.h"
#include "base/spare.h"

/* gcc alone says so plainly; a clang build leaves these tests out. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define PIECES_REST
#endif

static int drain(void **state)
{
    (void)state;
    pools_drain();
    return 0;
}

static void nothing_is_taken_for_nothing(void **state)
{
    (void)state;
    assert_null(spare_take(0));
    assert_null(spare_resize(NULL, 0));
    spare_give(NULL);
    assert_null(spare_resize(spare_take(100), 0));
}

/* Every size up to some above the largest that rests; twice, so that the second time they come back. */
static void pieces_of_all_sizes_are_apart(void **state)
{
    enum { STEP = 61, PIECES = 500 };
    unsigned char *taken[PIECES];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < PIECES; i++)
            memset(taken[i] = spare_take(1 + i * STEP), (int)(i % 251), 1 + i * STEP);
        for (unsigned i = 0; i < PIECES; i++)
            for (size_t j = 0; j < 1 + i * STEP; j++)
                assert_int_equal(taken[i][j], i % 251);
        for (unsigned i = 0; i < PIECES; i++)
            spare_give(taken[i]);
    }
}

static void what_is_resized_keeps_its_bytes(void **state)
{
    unsigned char *piece = spare_resize(NULL, 10);

    (void)state;
    memset(piece, 7, 10);
    for (size_t size = 11; size < 40000; size = size * 3 / 2) {
        piece = spare_resize(piece, size);
        for (size_t i = 0; i < 10; i++)
            assert_int_equal(piece[i], 7);
        assert_true(mem_size(piece) >= size);
        memset(piece + 10, 9, size - 10);
    }
    piece = spare_resize(piece, 5);
    assert_int_equal(piece[4], 7);
    spare_give(piece);
}

#ifdef PIECES_REST
static void the_newest_that_fits_comes_back(void **state)
{
    (void)state;
    for (size_t size = 1; size < 24000; size += 7) {
        void *piece = spare_take(size);

        size = mem_size(piece);          /* malloc may have had a little more */
        spare_give(piece);
        assert_ptr_equal(spare_take(size), piece);
        spare_give(piece);
    }
}

/* The first of all: what malloc gives is of that size and no other. */
static void as_many_rest_as_are_kept(void **state)
{
    enum { PIECES = 200, KEPT = 64 };
    void *taken[PIECES];

    (void)state;
    for (unsigned i = 0; i < PIECES; i++)
        taken[i] = spare_take(40);
    for (unsigned i = 0; i < PIECES; i++)
        spare_give(taken[i]);
    for (unsigned i = KEPT; i-- > 0;)
        assert_ptr_equal(spare_take(40), taken[i]);
    for (unsigned i = 0; i < KEPT; i++)
        spare_give(taken[i]);
}

/* A client may choose the sizes, and how many it wants at a time. */
static void all_sizes_together_have_a_bound(void **state)
{
    enum { STEP = 16, MOST = 24 * 1024, PIECES = 64, KEPT_BYTES = 2 * 1024 * 1024, SLACK = 512 * 1024 };
    void  *taken[PIECES];
    size_t before;

    (void)state;
    for (size_t size = STEP; size < MOST; size += STEP) {
        for (unsigned i = 0; i < PIECES; i++)
            taken[i] = spare_take(size);
        for (unsigned i = 0; i < PIECES; i++)
            spare_give(taken[i]);
    }
    before = mallinfo2().uordblks;
    pools_drain();
    assert_in_range(before - mallinfo2().uordblks, 1, KEPT_BYTES + SLACK);
}

static void none_rests_while_memory_is_short(void **state)
{
    char *a = spare_take(3000), *b = spare_take(3000);

    (void)state;
    spare_give(a);
    shortage_begin(SHORTAGE_BUDGET);
    spare_give(b);
    shortage_end(SHORTAGE_BUDGET);
    assert_ptr_equal(spare_take(mem_size(a)), a);
    spare_give(a);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef PIECES_REST
        cmocka_unit_test_teardown(as_many_rest_as_are_kept, drain),
#endif
        cmocka_unit_test_teardown(nothing_is_taken_for_nothing, drain),
        cmocka_unit_test_teardown(pieces_of_all_sizes_are_apart, drain),
        cmocka_unit_test_teardown(what_is_resized_keeps_its_bytes, drain),
#ifdef PIECES_REST
        cmocka_unit_test_teardown(the_newest_that_fits_comes_back, drain),
        cmocka_unit_test_teardown(all_sizes_together_have_a_bound, drain),
        cmocka_unit_test_teardown(none_rests_while_memory_is_short, drain),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
