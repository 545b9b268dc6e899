// SPDX-License-Identifier: MIT
/* date: the three forms of RFC 9110 5.6.7, compared with the C library's calendar. */
#include "base/unit.h"

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

struct short_year {
    const char *date;
    int64_t     now_s, wanted_s;
};

/* RFC 9110 5.6.7: what appears to be more than 50 years ahead is the most recent such year. */
static void two_digit_years_are_at_most_50_years_ahead(void **state)
{
    enum { NOW_1999 = 946684799, NOW_2000 = 951782400 /* 29 February */ };
    static const struct short_year years[] = {
        { "Wednesday, 18-Nov-76 11:06:40 GMT", NOW_2026, INT64_C(3372923200) },
        { "Wednesday, 18-Nov-76 11:06:41 GMT", NOW_2026, INT64_C(217163201) },
        { "Tuesday, 24-Nov-76 00:00:00 GMT", NOW_2026, INT64_C(217641600) },
        { "Thursday, 24-Nov-77 00:00:00 GMT", NOW_2026, INT64_C(249177600) },
        { "Sunday, 06-Nov-94 08:49:37 GMT", NOW_2026, INT64_C(784111777) },
        { "Thursday, 26-Nov-26 00:00:00 GMT", NOW_2026, INT64_C(1795651200) },
        /* Beyond the turn of a century, too. */
        { "Saturday, 01-Jan-00 00:00:00 GMT", NOW_1999, INT64_C(946684800) },
        { "Tuesday, 31-Dec-49 00:00:00 GMT", NOW_1999, INT64_C(2524521600) },
        { "Friday, 01-Jan-50 00:00:00 GMT", NOW_1999, INT64_C(-631152000) },
        { "Tuesday, 29-Feb-00 00:00:00 GMT", NOW_2000, INT64_C(951782400) },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(years); i++) {
        int64_t seconds = 0;
        CHECK_CASE(date_parse(text_from(years[i].date), years[i].now_s, &seconds) == 0, years[i].date);
        if (seconds != years[i].wanted_s)
            fail_msg("%s is %lld", years[i].date, (long long)seconds);
    }
}

/* RFC 9111 4.2: caches match dates without regard to case. The day of the week tells nothing. */
static void case_and_day_of_the_week_do_not_matter(void **state)
{
    static const char *const same[] = {
        "sun, 06 nov 1994 08:49:37 gmt", "SUN, 06 NOV 1994 08:49:37 GMT", "sunday, 06-nov-94 08:49:37 Gmt",
        "sUN nOV  6 08:49:37 1994", "Mon, 06 Nov 1994 08:49:37 GMT", "Friday, 06-Nov-94 08:49:37 GMT",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        int64_t seconds = 0;
        CHECK_CASE(date_parse(text_from(same[i]), NOW_2026, &seconds) == 0, same[i]);
        CHECK_CASE(seconds == 784111777, same[i]);
    }
}

static void the_calendar_has_its_ends(void **state)
{
    int64_t seconds = 0;

    (void)state;
    assert_int_equal(date_parse(TEXT("Sat, 01 Jan 0000 00:00:00 GMT"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, INT64_C(-62167219200));
    assert_int_equal(date_parse(TEXT("Fri, 31 Dec 9999 23:59:59 GMT"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, INT64_C(253402300799));
    assert_int_equal(date_parse(TEXT("Thu, 01 Jan 1970 00:00:00 GMT"), NOW_2026, &seconds), 0);
    assert_int_equal(seconds, 0);
    assert_int_equal(date_parse(TEXT("Tue, 29 Feb 2000 00:00:00 GMT"), NOW_2026, &seconds), 0);
    assert_int_equal(date_parse(TEXT("Mon, 29 Feb 1900 00:00:00 GMT"), NOW_2026, &seconds), -EINVAL);
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const refused[] = {
        "", "0", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 29 Feb 2100 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sux, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "Sun, 06 Nov 19x4 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT", "784111777",
        "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 06 Nov 1994 08:49:37GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 6-Nov-94 08:49:37 GMT", "Sunday, 31-Feb-94 08:49:37 GMT", "Monday, 29-Feb-77 00:00:00 GMT",
        "Sunda, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994 GMT", "Sun Nov 06 08:49:37 94",
        "Sun Nov   6 08:49:37 1994", "Sun Nov  0 08:49:37 1994", "Sun, 06 Nov 994 08:49:37 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT", "Sun, 32 Dec 1994 08:49:37 GMT", "1994-11-06T08:49:37Z", "-1",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov -994 08:49:37 GMT",
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
        cmocka_unit_test(two_digit_years_are_at_most_50_years_ahead),
        cmocka_unit_test(case_and_day_of_the_week_do_not_matter),
        cmocka_unit_test(the_calendar_has_its_ends),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(writing_agrees_with_the_c_library_and_with_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
