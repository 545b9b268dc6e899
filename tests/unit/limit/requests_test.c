// SPDX-License-Identifier: MIT
/* requests: the bucket's arithmetic to the thousandth, several limits at once, and a full zone. */
#include "check.h"

#include "limit/requests.h"

enum { SMALL = 32 * 1024, KEYS = SMALL / 128 };

static struct arena     *arena;
static struct limit_zone zone, other;

static int begin(void **state)
{
    (void)state;
    arena = arena_new();
    zone = zone_of(arena, LIMIT_REQUESTS, SMALL, 10 * 1000);
    other = zone_of(arena, LIMIT_REQUESTS, 2 * SMALL, 1000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    limit_zone_unbind(&zone);
    limit_zone_unbind(&other);
    arena_free(&arena);
    return 0;
}

static struct requests_answer take(const struct limit_req *limit, struct text key, int64_t now_ms)
{
    struct requests_ask ask = { .limit = limit, .key = key };

    return requests_take(&ask, 1, now_ms);
}

static struct requests_answer take_both(const struct limit_req *first,
                                        const struct limit_req *second, int64_t now_ms)
{
    struct requests_ask asks[] = { { .limit = first, .key = TEXT("k") },
                                   { .limit = second, .key = TEXT("k") } };

    return requests_take(asks, 2, now_ms);
}

static void check(struct requests_answer answer, enum requests_verdict verdict, uint64_t excess,
                  int64_t delay_ms)
{
    assert_int_equal(answer.verdict, verdict);
    assert_int_equal(answer.excess, excess);
    assert_int_equal(answer.delay_ms, delay_ms);
}

static void without_burst_one_per_interval(void **state)
{
    struct limit_req limit = { .zone = &zone };

    (void)state;
    check(take(&limit, TEXT("k"), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), 1000), REQUESTS_REJECTED, 1000, 0);
    check(take(&limit, TEXT("other"), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), 1099), REQUESTS_REJECTED, 10, 0);
    check(take(&limit, TEXT("k"), 1100), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), 1150), REQUESTS_REJECTED, 500, 0);
    check(take(&limit, TEXT("k"), 1201), REQUESTS_PASSED, 0, 0);
}

static void a_burst_waits_its_turn(void **state)
{
    struct limit_req limit = { .zone = &zone, .burst = 3000 };

    (void)state;
    check(take(&limit, TEXT("k"), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), 1000), REQUESTS_DELAYED, 1000, 100);
    check(take(&limit, TEXT("k"), 1000), REQUESTS_DELAYED, 2000, 200);
    check(take(&limit, TEXT("k"), 1050), REQUESTS_DELAYED, 2500, 250);
    check(take(&limit, TEXT("k"), 1050), REQUESTS_REJECTED, 3500, 0);
    check(take(&limit, TEXT("k"), 1100), REQUESTS_DELAYED, 3000, 300);
}

static void delay_says_from_where_on(void **state)
{
    struct limit_req limit = { .zone = &zone, .burst = 3000, .delay = 2000 };
    struct limit_req never = { .zone = &zone, .burst = 3000, .delay = UINT64_MAX };

    (void)state;
    check(take(&limit, TEXT("k"), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), 1000), REQUESTS_DELAYED, 3000, 100);
    check(take(&limit, TEXT("k"), 1000), REQUESTS_REJECTED, 4000, 0);
    for (int i = 0; i < 4; i++)
        check(take(&never, TEXT("n"), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&never, TEXT("n"), 1000), REQUESTS_REJECTED, 4000, 0);
}

/* 16 thousandths per second: the thousandths lost to rounding are nginx's. */
static void slow_rates_and_long_rests(void **state)
{
    struct limit_req limit = { .zone = &zone };

    (void)state;
    zone.rate = 1000 / 60;
    check(take(&limit, TEXT("k"), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), 61000), REQUESTS_REJECTED, 40, 0);
    check(take(&limit, TEXT("k"), 63500), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), INT64_MAX), REQUESTS_PASSED, 0, 0);
}

static void clocks_of_loops_may_differ(void **state)
{
    struct limit_req limit = { .zone = &zone, .burst = 5000, .delay = UINT64_MAX };

    (void)state;
    check(take(&limit, TEXT("k"), 100000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, TEXT("k"), 99990), REQUESTS_PASSED, 0, 0);   /* 1000 now */
    limit.burst = 1999;
    check(take(&limit, TEXT("k"), 100000), REQUESTS_REJECTED, 2000, 0);
    check(take(&limit, TEXT("k"), 30000), REQUESTS_PASSED, 0, 0);   /* too far: one millisecond */
}

static void no_state_is_lost_by_another_rate(void **state)
{
    struct limit_req  limit = { .zone = &zone, .burst = 1000, .delay = UINT64_MAX };
    struct limit_zone again = zone;

    (void)state;
    (void)take(&limit, TEXT("k"), 1000);
    again.rate = 1000;
    limit_zone_bind(&again);
    assert_ptr_equal(again.table, zone.table);
    limit.zone = &again;
    check(take(&limit, TEXT("k"), 1100), REQUESTS_PASSED, 0, 0);    /* 900 now */
    check(take(&limit, TEXT("k"), 1100), REQUESTS_REJECTED, 1900, 0);
    limit_zone_unbind(&again);
}

static void another_key_or_size_is_another_zone(void **state)
{
    struct limit_zone again = zone;

    (void)state;
    again.bytes *= 2;
    limit_zone_bind(&again);
    assert_ptr_not_equal(again.table, zone.table);
    limit_zone_unbind(&again);
    again = zone;
    again.key = template_literal(arena, TEXT("$other"));
    limit_zone_bind(&again);
    assert_ptr_not_equal(again.table, zone.table);
    limit_zone_unbind(&again);
}

static void whom_a_later_limit_rejects_counts_nowhere(void **state)
{
    struct limit_req first = { .zone = &zone, .burst = 1000, .delay = UINT64_MAX };
    struct limit_req second = { .zone = &other };

    (void)state;
    check(take_both(&first, &second, 5000), REQUESTS_PASSED, 0, 0);
    for (int i = 0; i < 5; i++) {
        struct requests_answer answer = take_both(&first, &second, 5000);

        check(answer, REQUESTS_REJECTED, 1000, 0);
        assert_ptr_equal(answer.limit, &second);
    }
    check(take(&first, TEXT("k"), 5000), REQUESTS_PASSED, 0, 0);
    check(take_both(&first, &second, 5000), REQUESTS_REJECTED, 2000, 0);   /* by the first */
}

static void the_longest_delay_counts(void **state)
{
    struct limit_req       first = { .zone = &zone, .burst = 9000 };
    struct limit_req       second = { .zone = &other, .burst = 9000 };
    struct requests_answer answer;

    (void)state;
    (void)take_both(&first, &second, 5000);
    answer = take_both(&first, &second, 5000);
    check(answer, REQUESTS_DELAYED, 1000, 1000);
    assert_ptr_equal(answer.limit, &second);
    answer = take_both(&second, &first, 5000);
    check(answer, REQUESTS_DELAYED, 2000, 2000);
    assert_ptr_equal(answer.limit, &second);
}

static void a_full_zone_forgets_the_oldest(void **state)
{
    struct limit_req limit = { .zone = &zone };

    (void)state;
    for (uint32_t i = 0; i < KEYS; i++)
        check(take(&limit, key_of(arena, i), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, key_of(arena, 0), 1000), REQUESTS_REJECTED, 1000, 0);   /* young again */
    check(take(&limit, TEXT("new!"), 1000), REQUESTS_PASSED, 0, 0);
    check(take(&limit, key_of(arena, 0), 1000), REQUESTS_REJECTED, 1000, 0);
    check(take(&limit, key_of(arena, 2), 1000), REQUESTS_REJECTED, 1000, 0);
    check(take(&limit, key_of(arena, 1), 1000), REQUESTS_PASSED, 0, 0);        /* was forgotten */
}

static void what_does_not_fit_is_refused(void **state)
{
    struct limit_req limit = { .zone = &zone };
    char             bytes[SMALL] = "";

    (void)state;
    check(take(&limit, text_of(bytes, sizeof(bytes)), 1000), REQUESTS_NO_ROOM, 0, 0);
}

static void the_stale_are_forgotten(void **state)
{
    struct limit_req limit = { .zone = &zone };
    struct shard    *shard;

    (void)state;
    (void)take(&limit, TEXT("a"), 1000);
    (void)take(&limit, TEXT("b"), 1000);
    (void)take(&limit, TEXT("c"), 1000 + 59999);
    shard = table_enter(zone.table, 0);
    assert_true(text_is_equal(text_of(table_oldest(shard)->key, 1), TEXT("a")));
    table_leave(shard);
    (void)take(&limit, TEXT("d"), 1000 + 60000);
    shard = table_enter(zone.table, 0);
    assert_true(text_is_equal(text_of(table_oldest(shard)->key, 1), TEXT("c")));
    table_leave(shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_burst_one_per_interval, begin, end),
        cmocka_unit_test_setup_teardown(a_burst_waits_its_turn, begin, end),
        cmocka_unit_test_setup_teardown(delay_says_from_where_on, begin, end),
        cmocka_unit_test_setup_teardown(slow_rates_and_long_rests, begin, end),
        cmocka_unit_test_setup_teardown(clocks_of_loops_may_differ, begin, end),
        cmocka_unit_test_setup_teardown(no_state_is_lost_by_another_rate, begin, end),
        cmocka_unit_test_setup_teardown(another_key_or_size_is_another_zone, begin, end),
        cmocka_unit_test_setup_teardown(whom_a_later_limit_rejects_counts_nowhere, begin, end),
        cmocka_unit_test_setup_teardown(the_longest_delay_counts, begin, end),
        cmocka_unit_test_setup_teardown(a_full_zone_forgets_the_oldest, begin, end),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(the_stale_are_forgotten, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
