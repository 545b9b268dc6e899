// SPDX-License-Identifier: MIT
/* spread: percentiles to within a fifth, over any range, and of late. */
#include "base/unit.h"

#include "balance/spread.h"

static void nothing_is_known_of_few(void **state)
{
    struct spread spread = { .count = 0 };

    (void)state;
    for (unsigned i = 0; i < SPREAD_LEAST - 1; i++)
        spread_note(&spread, 1000);
    assert_int_equal(spread_percentile_us(&spread, 95), 0);
    spread_note(&spread, 1000);
    assert_in_range(spread_percentile_us(&spread, 95), 1000, 1250);
}

static void percentiles_are_right_to_a_fifth(void **state)
{
    static const int64_t units[] = { 1, 7, 150, 1000, 33333 };

    (void)state;
    for (unsigned u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        struct spread spread = { .count = 0 };

        for (int64_t i = 1; i <= 1000; i++)
            spread_note(&spread, i * units[u]);
        for (unsigned percent = 5; percent <= 100; percent += 5) {
            int64_t right = 10 * (int64_t)percent * units[u];

            assert_in_range(spread_percentile_us(&spread, percent), right, right + right / 4 + 1);
        }
    }
}

static void the_odd_and_the_long_have_a_part_too(void **state)
{
    struct spread spread = { .count = 0 };

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        spread_note(&spread, i % 2 == 0 ? INT64_MAX : -5);
    assert_in_range(spread_percentile_us(&spread, 50), 1, 5);
    assert_true(spread_percentile_us(&spread, 95) > (int64_t)3600 * 1000000);
}

static void what_was_long_ago_fades(void **state)
{
    struct spread spread = { .count = 0 };

    (void)state;
    for (unsigned i = 0; i < 2000; i++)
        spread_note(&spread, 1000000);
    for (unsigned i = 0; i < 20000; i++)
        spread_note(&spread, 1000);
    assert_in_range(spread_percentile_us(&spread, 99), 1000, 1250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_of_few),
        cmocka_unit_test(percentiles_are_right_to_a_fifth),
        cmocka_unit_test(the_odd_and_the_long_have_a_part_too),
        cmocka_unit_test(what_was_long_ago_fades),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
