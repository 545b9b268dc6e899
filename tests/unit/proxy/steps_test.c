// SPDX-License-Identifier: MIT
/* The table of steps: what steps.def says is what the steps are, and whoever waits is guarded (rule 3). */

#include "base/unit.h"

#include "proxy/exchange.h"

static const struct row {
    const struct step *step;
    const char        *name, *words;
    enum guard         guard;
} rows[] = {
#define S(step_name, step_guard, step_words) { &step_##step_name, #step_name, step_words, step_guard },
#include "proxy/steps.def"
#undef S
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void steps_are_as_the_table_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        assert_string_equal(rows[i].step->name, rows[i].name);
        assert_int_equal(rows[i].step->guard, rows[i].guard);
        assert_non_null(rows[i].step->run);
        assert_true(strlen(rows[i].words) > 0);
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(rows[i].name, rows[j].name);
            assert_ptr_not_equal(rows[i].step->run, rows[j].step->run);
        }
    }
}

static void whoever_waits_is_guarded(void **state)
{
    const struct step *waiting[] = { &step_limit,   &step_gather,     &step_resolve,
                                     &step_pick,    &step_connect,    &step_await_head,
                                     &step_deliver, &step_tunnel,     &step_finish };

    (void)state;
    for (unsigned i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++)
        assert_int_not_equal(waiting[i]->guard, GUARD_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_as_the_table_says),
        cmocka_unit_test(whoever_waits_is_guarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
