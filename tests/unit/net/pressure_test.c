// SPDX-License-Identifier: MIT
/* pressure: marks on both sides, hysteresis, one line per change, and a mean that forgives hiccups. */
#include "check.h"

#include "base/budget.h"
#include "base/log.h"
#include "base/shortage.h"
#include "net/pressure.h"
#include "net/room.h"

enum { MS = 1000, SECOND = 1000 * MS };

static char     said[2048];
static unsigned lines;
static int64_t  now_us;

static void listen_to(void *target, enum log_level level, struct text line)
{
    (void)target;
    (void)level;
    (void)snprintf(said, sizeof(said), "%.*s", TEXT_ARGS(line));
    lines++;
}

static const struct log listener = { .level = LOG_INFO, .write = listen_to };

/* A loop that turns for a while, each turn that long. */
static void turns(int64_t lag_us, int64_t for_us)
{
    for (int64_t end_us = now_us + for_us; now_us < end_us;) {
        now_us += lag_us > 20 * MS ? lag_us : 20 * MS;
        pressure_turn(lag_us, now_us);
    }
}

static int begin(void **state)
{
    (void)state;
    log_use(&listener);
    pressure_set_lag(200, 1000);
    budget_set(UINT64_MAX);
    room_set_most(0);
    pressure_begin(3);
    turns(0, 10 * SECOND);
    lines = 0;
    return 0;
}

static void rest_open(unsigned count, int direction)
{
    for (unsigned i = 0; i < count; i++)
        direction > 0 ? room_conn_opened() : room_conn_closed();
}

static void a_loop_at_ease_is_under_no_pressure(void **state)
{
    (void)state;
    turns(5 * MS, 5 * SECOND);
    for (enum pressure_of kind = PRESSURE_OF_TIME; kind < PRESSURE_KINDS; kind++)
        assert_int_equal(pressure_level(kind), PRESSURE_NONE);
    assert_int_equal(pressure_keep(), PRESSURE_KEEP);
    assert_true(pressure_may_accept());
    assert_int_equal(lines, 0);
}

static void long_turns_end_keep_alive_then_accepting(void **state)
{
    struct pressure_figures before = pressure_figures(now_us), after;

    (void)state;
    turns(180 * MS, 5 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_NONE);
    turns(300 * MS, 3 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_HIGH);
    assert_non_null(strstr(said, "[warn]"));
    assert_non_null(strstr(said, "event loop 3 lags 2"));
    assert_non_null(strstr(said, " ms: connections are closed after their answers"));
    assert_int_equal(pressure_keep(), PRESSURE_CLOSE);
    assert_true(pressure_may_accept());
    turns(1500 * MS, 12 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_CRITICAL);
    assert_non_null(strstr(said, "[error]"));
    assert_non_null(strstr(said, " ms: nobody is let in until it is better"));
    assert_false(pressure_may_accept());
    assert_int_equal(lines, 2);
    pressure_note_closed(1);
    after = pressure_figures(now_us);
    assert_in_range(after.of[PRESSURE_OF_TIME].now, SECOND, 1500 * MS);
    assert_int_equal(after.closed - before.closed, 1);
    assert_int_equal(after.pauses - before.pauses, 1);
    assert_int_equal(after.of[PRESSURE_OF_TIME].level, PRESSURE_CRITICAL);
    assert_int_equal(after.of[PRESSURE_OF_TIME].highs - before.of[PRESSURE_OF_TIME].highs, 1);
    assert_int_equal(after.of[PRESSURE_OF_TIME].criticals - before.of[PRESSURE_OF_TIME].criticals, 1);
    assert_in_range(after.of[PRESSURE_OF_TIME].for_us, 12 * SECOND, 20 * SECOND);
    assert_int_equal(after.of[PRESSURE_OF_MEMORY].for_us, 0);
}

/* Each loop has its own idea of now. */
static void what_has_just_begun_is_not_of_the_future(void **state)
{
    (void)state;
    turns(1500 * MS, 12 * SECOND);
    assert_int_equal(pressure_figures(now_us - 60 * SECOND).of[PRESSURE_OF_TIME].for_us, 0);
}

static void a_level_ends_at_half_its_mark(void **state)
{
    (void)state;
    turns(1500 * MS, 12 * SECOND);
    turns(600 * MS, 8 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_CRITICAL);
    turns(400 * MS, 8 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_HIGH);
    turns(120 * MS, 8 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_HIGH);
    turns(80 * MS, 8 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_NONE);
    assert_non_null(strstr(said, "[notice]"));
    assert_non_null(strstr(said, "connections are kept again"));
}

static void one_hiccup_is_no_overload(void **state)
{
    (void)state;
    turns(700 * MS, 1);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_NONE);
    turns(0, 5 * SECOND);
    turns(3 * SECOND, 1);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_HIGH);
    now_us += 10 * SECOND;   /* asleep */
    pressure_turn(0, now_us);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_NONE);
}

static void off_is_off(void **state)
{
    (void)state;
    pressure_set_lag(0, 0);
    turns(5 * SECOND, 60 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_TIME), PRESSURE_NONE);
    assert_true(pressure_may_accept());
}

static void connections_have_marks(void **state)
{
    (void)state;
    room_set_most(100);
    rest_open(79, 1);
    turns(0, SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_CONNS), PRESSURE_NONE);
    rest_open(1, 1);
    turns(0, 2 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_CONNS), PRESSURE_HIGH);
    assert_non_null(strstr(said, "event loop 3 has 80 of 100 worker_connections: for each "
                                 "connection that is kept an idle one is closed"));
    assert_int_equal(pressure_keep(), PRESSURE_KEEP_FOR_ANOTHER);
    rest_open(10, 1);
    turns(0, 2 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_CONNS), PRESSURE_CRITICAL);
    assert_true(pressure_may_accept());   /* in place of others */
    rest_open(20, -1);
    turns(0, 2 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_CONNS), PRESSURE_HIGH);
    rest_open(1, -1);
    turns(0, 2 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_CONNS), PRESSURE_NONE);
    rest_open(69, -1);
    assert_int_equal(lines, 4);
}

static void memory_has_marks(void **state)
{
    enum { MEGABYTE = 1024 * 1024 };

    (void)state;
    budget_set(16 * MEGABYTE);
    budget_add(12 * MEGABYTE);
    turns(0, SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_MEMORY), PRESSURE_HIGH);
    assert_non_null(strstr(said, "12582912 of 16777216 bytes of worker_memory are held"));
    budget_add(-2 * MEGABYTE);
    turns(0, SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_MEMORY), PRESSURE_HIGH);
    budget_add(-MEGABYTE);
    turns(0, 2 * SECOND);
    assert_int_equal(pressure_level(PRESSURE_OF_MEMORY), PRESSURE_NONE);
    budget_add(-9 * MEGABYTE);
}

static void without_memory_nobody_comes_in(void **state)
{
    (void)state;
    shortage_begin(SHORTAGE_BUDGET);
    assert_int_equal(pressure_keep(), PRESSURE_CLOSE);
    assert_true(pressure_may_accept());
    shortage_begin(SHORTAGE_SYSTEM);
    assert_false(pressure_may_accept());
    shortage_end(SHORTAGE_SYSTEM);
    shortage_end(SHORTAGE_BUDGET);
    assert_int_equal(pressure_keep(), PRESSURE_KEEP);
}

/* What changes faster is said later, as it is then. */
static void a_kind_speaks_once_a_second(void **state)
{
    (void)state;
    room_set_most(100);
    for (int i = 0; i < 10; i++) {
        rest_open(85, 1);
        turns(0, 20 * MS);
        rest_open(85, -1);
        turns(0, 20 * MS);
    }
    assert_int_equal(lines, 1);
    turns(0, 2 * SECOND);
    assert_int_equal(lines, 2);
    assert_non_null(strstr(said, "kept again"));
}

static void what_a_former_loop_said_keeps_no_other_from_saying_it(void **state)
{
    (void)state;
    room_set_most(100);
    rest_open(85, 1);
    turns(0, 20 * MS);
    assert_int_equal(lines, 1);
    pressure_begin(3);
    assert_int_equal(pressure_level(PRESSURE_OF_CONNS), PRESSURE_NONE);
    assert_int_equal(pressure_figures(now_us).of[PRESSURE_OF_CONNS].level, PRESSURE_NONE);
    turns(0, 20 * MS);
    assert_int_equal(pressure_level(PRESSURE_OF_CONNS), PRESSURE_HIGH);
    assert_int_equal(lines, 2);
    rest_open(85, -1);
    turns(0, 2 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_loop_at_ease_is_under_no_pressure, begin),
        cmocka_unit_test_setup(long_turns_end_keep_alive_then_accepting, begin),
        cmocka_unit_test_setup(what_has_just_begun_is_not_of_the_future, begin),
        cmocka_unit_test_setup(a_level_ends_at_half_its_mark, begin),
        cmocka_unit_test_setup(one_hiccup_is_no_overload, begin),
        cmocka_unit_test_setup(off_is_off, begin),
        cmocka_unit_test_setup(connections_have_marks, begin),
        cmocka_unit_test_setup(memory_has_marks, begin),
        cmocka_unit_test_setup(without_memory_nobody_comes_in, begin),
        cmocka_unit_test_setup(a_kind_speaks_once_a_second, begin),
        cmocka_unit_test_setup(what_a_former_loop_said_keeps_no_other_from_saying_it, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
