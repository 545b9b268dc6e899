// SPDX-License-Identifier: MIT
/* budget: what is counted, and that the shortage begins and ends where it should. */
#include "check.h"

#include "base/arena.h"
#include "base/block.h"
#include "base/budget.h"
#include "base/pool.h"
#include "base/shortage.h"

enum { MEGABYTE = 1024 * 1024, LARGE_BYTES = 30000 };

struct thing {
    unsigned char bytes[5000];
};

static struct pool things = POOL("thing", struct thing, 3);

static uint64_t held(void)
{
    budget_settle();
    return budget_held();
}

static int tidy(void **state)
{
    (void)state;
    budget_set(UINT64_MAX);
    pools_drain();
    assert_int_equal(budget_held(), 0);
    assert_int_equal(shortage_now(), 0);
    return 0;
}

static void threads_tell_in_grains(void **state)
{
    (void)state;
    budget_add(1000);
    assert_int_equal(budget_held(), 0);
    budget_add(64 * 1024);
    assert_int_equal(budget_held(), 64 * 1024 + 1000);
    budget_add(-64 * 1024);
    assert_int_equal(budget_held(), 1000);
    budget_add(-1000);
    assert_int_equal(held(), 0);
}

static void the_peak_is_of_the_time_since_the_last_look(void **state)
{
    (void)state;
    (void)budget_take_peak();
    budget_add(3 * MEGABYTE);
    budget_add(-2 * MEGABYTE);
    assert_int_equal(budget_take_peak(), 3 * MEGABYTE);
    assert_int_equal(budget_take_peak(), MEGABYTE);
    budget_add(-MEGABYTE);
    assert_int_equal(budget_take_peak(), MEGABYTE);
    assert_int_equal(budget_take_peak(), 0);
}

static void it_begins_past_the_limit_and_ends_at_seven_eighths(void **state)
{
    (void)state;
    budget_set(8 * MEGABYTE);
    assert_int_equal(budget_most(), 8 * MEGABYTE);
    budget_add(8 * MEGABYTE);
    assert_int_equal(shortage_now(), 0);
    budget_add(1);
    budget_settle();
    assert_int_equal(shortage_now(), SHORTAGE_BUDGET);
    budget_add(-MEGABYTE);
    assert_int_equal(shortage_now(), SHORTAGE_BUDGET);
    budget_add(-1);
    budget_settle();
    assert_int_equal(shortage_now(), 0);
    budget_add(-7 * MEGABYTE);
}

static void another_limit_holds_at_once(void **state)
{
    (void)state;
    budget_add(4 * MEGABYTE);
    budget_set(2 * MEGABYTE);
    assert_int_equal(shortage_now(), SHORTAGE_BUDGET);
    budget_set(UINT64_MAX);
    assert_int_equal(budget_most(), UINT64_MAX);
    assert_int_equal(shortage_now(), 0);
    budget_add(-4 * MEGABYTE);
}

static void pools_count_what_they_take(void **state)
{
    struct thing *taken[10];

    (void)state;
    for (int i = 0; i < 10; i++)
        taken[i] = i % 2 ? pool_take(&things) : pool_try_raw(&things);
    assert_int_equal(held(), 10 * sizeof(struct thing));
    for (int i = 0; i < 10; i++)
        pool_give(&things, taken[i]);
    assert_true(held() <= 3 * sizeof(struct thing));   /* those that rest */
    pools_drain();
    assert_int_equal(budget_held(), 0);
}

static void blocks_and_arenas_are_counted(void **state)
{
    struct block *block = block_new_sized(100), *standard = block_try();
    struct arena *arena = arena_new();
    uint64_t      before = held();

    (void)state;
    assert_true(before >= BLOCK_SIZE + 100 + arena_size(arena));
    (void)arena_bytes(arena, LARGE_BYTES);
    assert_true(held() - before >= LARGE_BYTES);
    arena_free(&arena);
    block_unref(block);
    block_unref(standard);
    pools_drain();
    assert_int_equal(budget_held(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(threads_tell_in_grains, tidy),
        cmocka_unit_test_teardown(the_peak_is_of_the_time_since_the_last_look, tidy),
        cmocka_unit_test_teardown(it_begins_past_the_limit_and_ends_at_seven_eighths, tidy),
        cmocka_unit_test_teardown(another_limit_holds_at_once, tidy),
        cmocka_unit_test_teardown(pools_count_what_they_take, tidy),
        cmocka_unit_test_teardown(blocks_and_arenas_are_counted, tidy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
