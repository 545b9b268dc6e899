// SPDX-License-Identifier: MIT
/* date: the three forms of RFC 9110 5.6.7, compared with the C library's calendar. */
#include "check.h"

#include <errno.h>
#include <time.h>

#include "http/date.h"

enum { NOW_2026 = 1795000000 };

static void three_forms_are_one_time(void **state)
{
    int64_t seconds = 0;

    (void)state;
    assert_int_equal(date_parse(TEXT("Sun, 06 Nov 1994 08:49:37 GMT"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, 784111777);
    seconds = 0;
    assert_int_equal(date_parse(TEXT("Sunday, 06-Nov-94 08:49:37 GMT"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, 784111777);
    seconds = 0;
    assert_int_equal(date_parse(TEXT("Sun Nov  6 08:49:37 1994"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, 784111777);
    assert_int_equal(date_parse(TEXT("Wed Nov 16 08:49:37 1994"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, 784111777 + 10 * 86400);
}

static void two_digit_years_are_at_most_50_ahead(void **state)
{
    int64_t seconds;

    (void)state;
    assert_int_equal(date_parse(TEXT("Tuesday, 24-Nov-76 00:00:00 GMT"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, INT64_C(3373401600));
    assert_int_equal(date_parse(TEXT("Thursday, 24-Nov-77 00:00:00 GMT"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, 249177600);
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const refused[] = {
        "", "0", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 29 Feb 2100 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sux, 06 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "Sun, 06 Nov 19x4 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT", "784111777",
    };
    int64_t seconds = 42;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        CHECK_CASE(date_parse(text_from(refused[i]), NOW_2026, &seconds) == -EINVAL, refused[i]);
    assert_int_equal(seconds, 42);
    assert_int_equal(date_parse(TEXT("Thu, 29 Feb 2024 23:59:60 GMT"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, 1709251200);
}

static void writing_agrees_with_the_c_library_and_with_reading(void **state)
{
    (void)state;
    for (int64_t at = -2208988800; at < INT64_C(7258118400); at += 86400 * 17 + 12345) {
        char      wanted[64], bytes[DATE_BYTES];
        time_t    time = (time_t)at;
        struct tm tm;
        int64_t   again = 0;
        assert_non_null(gmtime_r(&time, &tm));
        assert_int_equal(strftime(wanted, sizeof(wanted), "%a, %d %b %Y %H:%M:%S GMT", &tm), 29);
        date_write(at, bytes);
        check_text(text_of(bytes, DATE_BYTES), text_from(wanted), "date", __FILE__, __LINE__);
        assert_int_equal(date_parse(text_of(bytes, DATE_BYTES), NOW_2026, &again), 0);
        assert_int_equal(again, at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_forms_are_one_time),
        cmocka_unit_test(two_digit_years_are_at_most_50_ahead),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(writing_agrees_with_the_c_library_and_with_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
