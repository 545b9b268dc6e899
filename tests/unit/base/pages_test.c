// SPDX-License-Identifier: MIT
/* pages: runs do not overlap, come zeroed, forget, and slabs end and begin again. */
#include "check.h"

#include "base/pages.h"

enum { RUN_BYTES = 8192, MANY = 200 };

static struct pages pages = PAGES(RUN_BYTES);

static void expect_filled(const struct page_run *run, int byte)
{
    for (size_t i = 0; i < RUN_BYTES; i += 64)
        assert_int_equal(run->bytes[i], byte);
}

static void runs_are_zeroed_and_apart(void **state)
{
    struct page_run runs[MANY];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            runs[i] = pages_take(&pages);
            assert_non_null(runs[i].bytes);
            expect_filled(&runs[i], 0);
            memset(runs[i].bytes, i + 1, RUN_BYTES);
        }
        for (int i = 0; i < MANY; i++)
            expect_filled(&runs[i], (i + 1) & 0xff);
        for (int i = 0; i < MANY; i++) {
            pages_give(&pages, &runs[i]);
            assert_null(runs[i].bytes);
        }
    }
}

static void holes_are_filled(void **state)
{
    struct page_run runs[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++)
        runs[i] = pages_take(&pages);
    for (int i = 0; i < MANY; i += 3) {
        pages_give(&pages, &runs[i]);
        runs[i] = pages_take(&pages);
        expect_filled(&runs[i], 0);
        memset(runs[i].bytes, 1, RUN_BYTES);
    }
    for (int i = MANY - 1; i >= 0; i--)
        pages_give(&pages, &runs[i]);
}

static void what_is_forgotten_is_zero(void **state)
{
    struct page_run run = pages_take(&pages);

    (void)state;
    memset(run.bytes, 7, RUN_BYTES);
    pages_forget(&pages, &run);
    expect_filled(&run, 0);
    pages_give(&pages, &run);
    pages_give(&pages, &run);            /* none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_zeroed_and_apart),
        cmocka_unit_test(holes_are_filled),
        cmocka_unit_test(what_is_forgotten_is_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
