// SPDX-License-Identifier: MIT
/* values: sizes, times and numbers, on both sides of their limits. */
#include "check.h"

#include "config/values.h"

static const struct { const char *text; uint64_t bytes; } sizes[] = {
    { "0", 0 }, { "1", 1 }, { "8k", 8192 }, { "8K", 8192 }, { "1m", 1048576 }, { "1M", 1048576 },
    { "2g", UINT64_C(2) << 30 }, { "2G", UINT64_C(2) << 30 },
    { "9223372036854775807", INT64_MAX }, { "8589934591g", UINT64_C(8589934591) << 30 },
};
static const char *const bad_sizes[] = {
    "", "k", "-1", "1kb", "1.5m", " 1", "1 ", "0x1", "9223372036854775808", "8589934592g",
    "99999999999999999999", "1t",
};

static void test_sizes(void **state)
{
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        assert_int_equal(value_size(text_from(sizes[i].text), &bytes), 0);
        assert_int_equal(bytes, sizes[i].bytes);
    }
    for (size_t i = 0; i < COUNT_OF(bad_sizes); i++)
        if (value_size(text_from(bad_sizes[i]), &bytes) == 0)
            fail_msg("\"%s\" is no size", bad_sizes[i]);
}

static const struct { const char *text; uint32_t ms; } times[] = {
    { "0", 0 }, { "1", 1000 }, { "1s", 1000 }, { "500ms", 500 }, { "1m", 60000 },
    { "1h30m", 5400000 }, { "1h 30m", 5400000 }, { "1d", 86400000 }, { "1w", 604800000 },
    { "1m30", 90000 }, { "1s500ms", 1500 }, { "1w2d3h4m5s6ms", 788645006 },
    { "49d", 4233600000 }, { "50d", UINT32_MAX }, { "365d", UINT32_MAX },
};
static const char *const bad_times[] = {
    "", "s", "ms", "-1", "1x", "1.5s", "1M", "1y", "1s1m", "1ms1s", "1s1s", "1 s", "1ss", " 1",
    "99999999999999999999", "9223372036854775807",
};

static void test_times(void **state)
{
    uint32_t ms;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        assert_int_equal(value_msec(text_from(times[i].text), &ms), 0);
        if (ms != times[i].ms)
            fail_msg("%s is %u ms, not %u", times[i].text, ms, times[i].ms);
    }
    for (size_t i = 0; i < COUNT_OF(bad_times); i++)
        if (value_msec(text_from(bad_times[i]), &ms) == 0)
            fail_msg("\"%s\" is no time", bad_times[i]);
}

static void test_seconds(void **state)
{
    uint64_t seconds;

    (void)state;
    assert_int_equal(value_sec(TEXT("1y2M3w"), &seconds), 0);
    assert_int_equal(seconds, (365 + 60 + 21) * 24 * 3600);
    assert_int_equal(value_sec(TEXT("10"), &seconds), 0);
    assert_int_equal(seconds, 10);
    assert_true(value_sec(TEXT("10ms"), &seconds) < 0);
    assert_true(value_sec(TEXT("2M1y"), &seconds) < 0);
}

static void test_numbers(void **state)
{
    uint64_t number;

    (void)state;
    assert_int_equal(value_number(TEXT("10"), 10, &number), 0);
    assert_true(value_number(TEXT("11"), 10, &number) < 0);
    assert_true(value_number(TEXT("+1"), 10, &number) < 0);
    assert_true(value_number(TEXT(""), 10, &number) < 0);
}

static void test_host_patterns(void **state)
{
    static const char *const good[] = { "", "a", "*.a", ".a", "a.*", "a.b.c", "_", "*.a.b" };
    static const char *const bad[] = { "*", "*.", ".*", ".", "a..b", "a.*.b", "*.*.a", "*a", "a*" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!value_is_host_pattern(text_from(good[i])))
            fail_msg("\"%s\" should be fine", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (value_is_host_pattern(text_from(bad[i])))
            fail_msg("\"%s\" should not be fine", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),   cmocka_unit_test(test_times),
        cmocka_unit_test(test_seconds), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_host_patterns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
