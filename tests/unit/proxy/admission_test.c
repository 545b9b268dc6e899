// SPDX-License-Identifier: MIT
/* admission: who is refused while memory is short. */
#include "base/unit.h"

#include "proxy/admission.h"

#include "base/shortage.h"
#include "http/fault.h"

static void all_come_in_while_memory_suffices(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(admission_enter(FAULT_NONE), FAULT_NONE);
    assert_int_equal(admission_enter(FAULT_BAD_HOST), FAULT_BAD_HOST);
    for (int i = 0; i < 4; i++)
        admission_leave();
    assert_int_equal(admission_refused(), 0);
}

static void one_comes_in_when_the_budget_is_used_up(void **state)
{
    (void)state;
    shortage_begin(SHORTAGE_BUDGET);
    assert_int_equal(admission_enter(FAULT_NONE), FAULT_NONE);
    assert_int_equal(admission_enter(FAULT_NONE), FAULT_NO_BUFFERS);
    assert_int_equal(admission_enter(FAULT_BAD_HOST), FAULT_BAD_HOST);
    assert_int_equal(admission_refused(), 1);
    for (int i = 0; i < 3; i++)
        admission_leave();
    assert_int_equal(admission_enter(FAULT_NONE), FAULT_NONE);
    admission_leave();
    shortage_end(SHORTAGE_BUDGET);
}

static void nobody_comes_in_when_the_system_has_none(void **state)
{
    (void)state;
    shortage_begin(SHORTAGE_SYSTEM);
    assert_int_equal(admission_enter(FAULT_NONE), FAULT_NO_BUFFERS);
    admission_leave();
    shortage_end(SHORTAGE_SYSTEM);
    assert_int_equal(admission_enter(FAULT_NONE), FAULT_NONE);
    admission_leave();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_come_in_while_memory_suffices),
        cmocka_unit_test(one_comes_in_when_the_budget_is_used_up),
        cmocka_unit_test(nobody_comes_in_when_the_system_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
