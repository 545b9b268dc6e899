// SPDX-License-Identifier: MIT
/* The small twin of bench/hit_ratio.c: S3-FIFO is never behind an LRU of the same size, and clearly
 * ahead when scans pass. The traces are the same in each run. */
#include "objects.h"

#include "trace.h"

static double gain(struct trace trace, uint64_t limit)
{
    trace.keys = 10000;
    trace.requests = 100000;
    return trace_through_tier(&trace, limit) - trace_through_lru(&trace, limit);
}

static void a_plain_trace_is_served_no_worse(void **state)
{
    (void)state;
    for (double alpha = 0.9; alpha < 1.15; alpha += 0.1)
        for (uint64_t limit = 500000; limit <= 2000000; limit *= 2)
            assert_true(gain((struct trace){ .alpha = alpha }, limit) >= 0);
}

static void scans_and_what_never_returns_do_less_harm(void **state)
{
    const struct trace scans = { .alpha = 1.0, .scan_every = 5000, .scan_length = 1500 };
    const struct trace wonders = { .alpha = 1.0, .wonders = 30 };

    (void)state;
    assert_true(gain(scans, 1250000) > 4);
    assert_true(gain(wonders, 1250000) > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_trace_is_served_no_worse),
        cmocka_unit_test(scans_and_what_never_returns_do_less_harm),
    };

    return cmocka_run_group_tests_name("cache/memory_hits", tests, NULL, drain);
}
