// SPDX-License-Identifier: MIT
/* room: clients stop at nine tenths and at the reserve, upstreams at the limit, lanes at the reserve. */
#include "check.h"

#include <sys/resource.h>

#include "net/lane.h"
#include "net/room.h"

enum { LIMIT = 400 };

static unsigned opened;

static void open_until(unsigned count)
{
    for (; opened < count; opened++)
        room_conn_opened();
    for (; opened > count; opened--)
        room_conn_closed();
}

static int none_left(void **state)
{
    (void)state;
    open_until(0);
    room_set_most(0);
    return 0;
}

static void a_loop_without_limit_has_plenty(void **state)
{
    (void)state;
    open_until(100000);
    assert_int_equal(room_for_client(), ROOM_PLENTY);
    assert_true(room_for_upstream());
}

static void clients_leave_a_tenth_to_upstreams(void **state)
{
    (void)state;
    room_set_most(20);
    open_until(17);
    assert_int_equal(room_for_client(), ROOM_PLENTY);
    open_until(18);
    assert_int_equal(room_for_client(), ROOM_FEW_CONNS);
    open_until(19);
    assert_true(room_for_upstream());
    open_until(20);
    assert_false(room_for_upstream());
    open_until(17);
    assert_int_equal(room_for_client(), ROOM_PLENTY);
}

static void few_connections_have_no_tenth(void **state)
{
    (void)state;
    room_set_most(2);
    open_until(1);
    assert_int_equal(room_for_client(), ROOM_PLENTY);
    open_until(2);
    assert_int_equal(room_for_client(), ROOM_FEW_CONNS);
}

static void limit_descriptors(rlim_t most)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    room_begin(1);
}

/* The reserve is 64 and four for the loop. */
static void clients_and_lanes_leave_the_reserve(void **state)
{
    struct lane *lane;

    (void)state;
    limit_descriptors(LIMIT);
    open_until(LIMIT - 68 - 1);
    assert_int_equal(room_for_client(), ROOM_PLENTY);
    lane = lane_open();
    assert_non_null(lane);               /* and takes two */
    assert_int_equal(room_for_client(), ROOM_FEW_DESCRIPTORS);
    assert_null(lane_open());
    assert_true(room_for_upstream());
    lane_close(&lane);
    assert_int_equal(room_for_client(), ROOM_FEW_DESCRIPTORS);
    lanes_drain();
    assert_int_equal(room_for_client(), ROOM_PLENTY);
}

static void of_few_descriptors_a_quarter_is_reserved(void **state)
{
    (void)state;
    limit_descriptors(100);
    open_until(74);
    assert_int_equal(room_for_client(), ROOM_PLENTY);
    open_until(75);
    assert_int_equal(room_for_client(), ROOM_FEW_DESCRIPTORS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_loop_without_limit_has_plenty, none_left),
        cmocka_unit_test_teardown(clients_leave_a_tenth_to_upstreams, none_left),
        cmocka_unit_test_teardown(few_connections_have_no_tenth, none_left),
        cmocka_unit_test_teardown(clients_and_lanes_leave_the_reserve, none_left),
        cmocka_unit_test_teardown(of_few_descriptors_a_quarter_is_reserved, none_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
