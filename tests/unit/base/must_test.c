// SPDX-License-Identifier: MIT
/* must: what is broken is named, everybody who asked is told, and the process ends. */
#include "check.h"

#include "base/must.h"

static void break_arithmetic(void)
{
    must(1 + 1 == 3);
}

static void the_condition_and_place_are_named(void **state)
{
    (void)state;
    must(1 + 1 == 2);
    CHECK_ABORTS(break_arithmetic, "[alert] must(1 + 1 == 3) failed at ");
    CHECK_ABORTS(break_arithmetic, "must_test.c:");
}

static void say_first(const char *message)
{
    (void)fprintf(stderr, "<first %s>", message);
}

static void say_second(const char *message)
{
    (void)message;
    (void)fprintf(stderr, "<second>");
}

static void break_with_hooks(void)
{
    must_hook_add(say_first);
    must_hook_add(say_second);
    must(false);
}

static void hooks_hear_of_it_in_order(void **state)
{
    char said[1024];

    (void)state;
    CHECK_ABORTS(break_with_hooks, "<first [alert] must(");
    (void)run_in_child(break_with_hooks, said, sizeof(said));
    assert_non_null(strstr(strstr(said, "<first"), "<second>"));
}

static void fail_again(const char *message)
{
    must(message == NULL);
}

static void break_twice(void)
{
    must_hook_add(fail_again);
    must_hook_add(say_second);
    must(false);
}

static void a_hook_that_fails_does_not_loop(void **state)
{
    char said[1024];

    (void)state;
    CHECK_ABORTS(break_twice, "must(message == NULL)");
    (void)run_in_child(break_twice, said, sizeof(said));
    assert_null(strstr(said, "<second>"));
}

static void add_five_hooks(void)
{
    for (int i = 0; i < 4; i++)
        must_hook_add(say_second);
    (void)fprintf(stderr, "<four are well>");
    must_hook_add(say_second);
}

static void there_is_room_for_four_hooks(void **state)
{
    (void)state;
    CHECK_ABORTS(add_five_hooks, "<four are well>[alert] must(hook_count < HOOKS_MOST)");
}

static void should_is_for_debug_builds(void **state)
{
    int evaluated = 0;

    (void)state;
    should(++evaluated > 0);
#ifdef FRONTDESK_DEBUG
    assert_int_equal(evaluated, 1);
#else
    assert_int_equal(evaluated, 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_condition_and_place_are_named),
        cmocka_unit_test(hooks_hear_of_it_in_order),
        cmocka_unit_test(a_hook_that_fails_does_not_loop),
        cmocka_unit_test(there_is_room_for_four_hooks),
        cmocka_unit_test(should_is_for_debug_builds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
