// SPDX-License-Identifier: MIT
/* ghosts: in the order of eviction, as many as there is room for, and growing loses none. */
#include "objects.h"

#include "cache/ghosts.h"

static uint32_t mark_number(uint32_t number)
{
    return number * 2654435761u;
}

static void a_ghost_is_taken_once(void **state)
{
    struct ghosts ghosts;

    (void)state;
    ghosts_init(&ghosts);
    assert_false(ghosts_take(&ghosts, 5));
    assert_false(ghosts_take(&ghosts, 0));
    ghosts_add(&ghosts, 5);
    ghosts_add(&ghosts, 0);
    assert_false(ghosts_take(&ghosts, 7));
    assert_true(ghosts_take(&ghosts, 5));
    assert_false(ghosts_take(&ghosts, 5));
    assert_true(ghosts_take(&ghosts, 0));
    ghosts_done(&ghosts);
}

/* Of one set: the ninth pushes out the first that is left. */
static void the_oldest_is_forgotten_first(void **state)
{
    struct ghosts ghosts;

    (void)state;
    ghosts_init(&ghosts);
    for (uint32_t i = 1; i <= GHOSTS_PER_SET; i++)
        ghosts_add(&ghosts, i * 1024);
    assert_true(ghosts_take(&ghosts, 3 * 1024));
    ghosts_add(&ghosts, 9 * 1024);
    ghosts_add(&ghosts, 10 * 1024);
    for (uint32_t i = 1; i <= 10; i++)
        assert_int_equal(ghosts_take(&ghosts, i * 1024), i != 1 && i != 3);
    ghosts_done(&ghosts);
}

static void growing_keeps_their_order(void **state)
{
    struct ghosts ghosts;

    (void)state;
    ghosts_init(&ghosts);
    for (uint32_t i = 1; i <= GHOSTS_PER_SET; i++)
        ghosts_add(&ghosts, i * 1024);
    ghosts_fit(&ghosts, 1000);
    ghosts_add(&ghosts, 9 * 1024);
    for (uint32_t i = 1; i <= 9; i++)
        assert_int_equal(ghosts_take(&ghosts, i * 1024), i != 1);
    ghosts_done(&ghosts);
}

static void growing_keeps_all(void **state)
{
    struct ghosts  ghosts;
    const uint32_t count = 10000;
    size_t         small;
    uint32_t       left = 0;

    (void)state;
    ghosts_init(&ghosts);
    small = ghosts_bytes(&ghosts);
    for (uint32_t i = 0; i < count; i++) {
        ghosts_fit(&ghosts, 2 * i);
        ghosts_add(&ghosts, mark_number(i));
    }
    assert_true(ghosts_bytes(&ghosts) > small);
    assert_true(ghosts_bytes(&ghosts) <= 4 * 4 * count);
    for (uint32_t i = 0; i < count; i++)
        left += ghosts_take(&ghosts, mark_number(i));
    assert_true(left > count / 100 * 95);
    ghosts_done(&ghosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ghost_is_taken_once),
        cmocka_unit_test(the_oldest_is_forgotten_first),
        cmocka_unit_test(growing_keeps_their_order),
        cmocka_unit_test(growing_keeps_all),
    };

    return cmocka_run_group_tests_name("cache/ghosts", tests, NULL, drain);
}
