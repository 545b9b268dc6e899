// SPDX-License-Identifier: MIT
/* latency: peaks count at once, what is quick sinks in, time forgets. */
#include "base/unit.h"

#include "balance/latency.h"

static void a_peak_counts_at_once(void **state)
{
    struct latency latency = { 0 };

    (void)state;
    assert_true(latency_now(&latency, 1000) <= 0);
    latency_note(&latency, 500, 1000);
    assert_int_equal(latency_now(&latency, 1000), 500);
    latency_note(&latency, 9000, 1001);
    assert_int_equal(latency_now(&latency, 1001), 9000);
}

static void what_is_quick_sinks_in(void **state)
{
    struct latency latency = { 0 };

    (void)state;
    latency_note(&latency, 10000, 0);
    latency_note(&latency, 1000, LATENCY_DECAY_MS);      /* 1000 + 9000 / e */
    assert_in_range((long)latency_now(&latency, LATENCY_DECAY_MS), 4300, 4320);
    for (int i = 0; i < 1000; i++)
        latency_note(&latency, 1000, LATENCY_DECAY_MS);  /* not by their number */
    assert_in_range((long)latency_now(&latency, LATENCY_DECAY_MS), 4300, 4320);
}

static void nobody_asked_is_forgotten(void **state)
{
    struct latency latency = { 0 };

    (void)state;
    latency_note(&latency, 10000, 0);
    assert_in_range((long)latency_now(&latency, LATENCY_DECAY_MS), 3670, 3690);
    assert_true(latency_now(&latency, 100 * LATENCY_DECAY_MS) < 1);
    latency_note(&latency, 50, 100 * LATENCY_DECAY_MS);
    assert_int_equal(latency_now(&latency, 100 * LATENCY_DECAY_MS), 50);
}

static void what_is_bad_is_a_part_of_the_last_few(void **state)
{
    struct badness badness = { 0 };

    (void)state;
    assert_true(badness_now(&badness, 5) <= 0);
    for (int i = 0; i < 20; i++)
        badness_note(&badness, true, 5);
    assert_true(badness_now(&badness, 5) > 0.99 && badness_now(&badness, 5) <= 1);
    assert_true(badness_now(&badness, 5 + LATENCY_DECAY_MS) < 0.37);
    for (int i = 0; i < 20; i++)
        badness_note(&badness, false, 5);
    assert_true(badness_now(&badness, 5) < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peak_counts_at_once),
        cmocka_unit_test(what_is_quick_sinks_in),
        cmocka_unit_test(nobody_asked_is_forgotten),
        cmocka_unit_test(what_is_bad_is_a_part_of_the_last_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
