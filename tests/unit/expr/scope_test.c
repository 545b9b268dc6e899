// SPDX-License-Identifier: MIT
/* scope: slots and captures. */
#include "check.h"

static void test_slots(void **state)
{
    struct bench   *bench = *state;
    struct variable third = { .get = scope_get_slot, .slot = 3 }, outside = { .slot = BENCH_SLOTS };

    assert_null(scope_get_slot(&bench->scope, &third).ptr);
    scope_set_slot(&bench->scope, 3, TEXT("x"));
    CHECK_TEXT(scope_get_slot(&bench->scope, &third), "x");
    assert_null(scope_get_slot(&bench->scope, &outside).ptr);
    /* Set to nothing is set. */
    scope_set_slot(&bench->scope, 3, TEXT_NONE);
    assert_non_null(scope_get_slot(&bench->scope, &third).ptr);
}

static void test_captures(void **state)
{
    struct bench   *bench = *state;
    struct variable second = { .get = scope_get_capture, .argument = TEXT("2") };

    assert_null(scope_get_capture(&bench->scope, &second).ptr);
    bench->scope.captures[2] = TEXT("two");
    CHECK_TEXT(scope_get_capture(&bench->scope, &second), "two");
}

int main(void)
{
    const struct CMUnitTest tests[] = { WITH_BENCH(test_slots), WITH_BENCH(test_captures) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
