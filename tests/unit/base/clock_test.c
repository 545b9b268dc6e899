// SPDX-License-Identifier: MIT
/* clock: the four texts in several zones of time, against the C library's own calendar. */
#include "check.h"

#include <locale.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"

static void use_zone(const char *zone)
{
    (void)setenv("TZ", zone, 1);
    tzset();
}

static void monotonic_time_goes_on(void **state)
{
    int64_t before = clock_mono_us(), after;

    (void)state;
    (void)usleep(2000);
    after = clock_mono_us();
    assert_true(after - before >= 2000);
    assert_true(clock_mono_ms() >= after / 1000);
    assert_true(clock_mono_ms() - after / 1000 < 5000);
}

static void wall_time_is_the_systems(void **state)
{
    int64_t seconds = (int64_t)time(NULL) - clock_wall_ms() / 1000;

    (void)state;
    assert_true(seconds >= -1 && seconds <= 1);
}

#define WALL_MS INT64_C(1795571620999)   /* 2026-11-25 01:53:40.999 UTC */

static void texts_have_their_forms(void **state)
{
    (void)state;
    use_zone("UTC0");
    CHECK_TEXT(clock_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK_TEXT(clock_http_date(WALL_MS), "Wed, 25 Nov 2026 01:53:40 GMT");
    CHECK_TEXT(clock_log_date(WALL_MS), "25/Nov/2026:01:53:40 +0000");
    CHECK_TEXT(clock_iso_date(WALL_MS), "2026-11-25T01:53:40+00:00");
    CHECK_TEXT(clock_error_date(WALL_MS), "2026/11/25 01:53:40");
    CHECK_TEXT(clock_syslog_date(WALL_MS), "Nov 25 01:53:40");
    CHECK_TEXT(clock_syslog_date(WALL_MS - INT64_C(20) * 86400000), "Nov  5 01:53:40");
}

/* The texts of a second are kept, so each zone asks about another second. */
static void local_texts_know_the_offset(void **state)
{
    (void)state;
    use_zone("TST-5:45");
    CHECK_TEXT(clock_log_date(WALL_MS + 1000), "25/Nov/2026:07:38:41 +0545");
    CHECK_TEXT(clock_iso_date(WALL_MS + 1000), "2026-11-25T07:38:41+05:45");
    CHECK_TEXT(clock_error_date(WALL_MS + 1000), "2026/11/25 07:38:41");
    CHECK_TEXT(clock_http_date(WALL_MS + 1000), "Wed, 25 Nov 2026 01:53:41 GMT");
    use_zone("TST3:30");
    CHECK_TEXT(clock_log_date(WALL_MS + 2000), "24/Nov/2026:22:23:42 -0330");
    CHECK_TEXT(clock_iso_date(WALL_MS + 2000), "2026-11-24T22:23:42-03:30");
    use_zone("TST0:30");
    CHECK_TEXT(clock_iso_date(WALL_MS + 3000), "2026-11-25T01:23:43-00:30");
    use_zone("UTC0");
}

static void texts_change_with_the_second(void **state)
{
    const char *first = clock_http_date(WALL_MS).ptr;

    (void)state;
    use_zone("UTC0");
    assert_ptr_equal(clock_http_date(WALL_MS - 999).ptr, first);
    CHECK_TEXT(clock_http_date(WALL_MS), "Wed, 25 Nov 2026 01:53:40 GMT");
    CHECK_TEXT(clock_http_date(WALL_MS + 1), "Wed, 25 Nov 2026 01:53:41 GMT");
    CHECK_TEXT(clock_http_date(WALL_MS), "Wed, 25 Nov 2026 01:53:40 GMT");
}

static void every_day_and_month_is_the_c_librarys(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 1500; day++) {
        time_t second = (time_t)(1700000000 + day * 86400 + day * 61);
        char   wanted[64];

        (void)strftime(wanted, sizeof(wanted), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&second));
        CHECK_TEXT(clock_http_date((int64_t)second * 1000), wanted);
        (void)strftime(wanted, sizeof(wanted), "%d/%b/%Y:%H:%M:%S %z", localtime(&second));
        CHECK_TEXT(clock_log_date((int64_t)second * 1000 + 7), wanted);
    }
}

static void *ask_for_another_second(void *argument)
{
    for (int64_t i = 1; i < 1000; i++)
        (void)clock_error_date(WALL_MS + i * 1000);
    return argument;
}

static void threads_keep_their_own_texts(void **state)
{
    struct text mine = clock_error_date(WALL_MS);
    pthread_t   thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, ask_for_another_second, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    CHECK_TEXT(mine, "2026/11/25 01:53:40");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_goes_on),
        cmocka_unit_test(wall_time_is_the_systems),
        cmocka_unit_test(texts_have_their_forms),
        cmocka_unit_test(local_texts_know_the_offset),
        cmocka_unit_test(texts_change_with_the_second),
        cmocka_unit_test(every_day_and_month_is_the_c_librarys),
        cmocka_unit_test(threads_keep_their_own_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
