// SPDX-License-Identifier: MIT
/* HTTP dates by arithmetic on the proleptic Gregorian calendar: the C library's conversions ask the
 * locale and the time zone, which have no part in this. Letters are taken in any case, as caches are
 * asked to (RFC 9111 4.2); everything else is by the letter, for a date that was guessed would keep an
 * answer fresh that nobody called fresh. The day of the week has to be one, and tells nothing. Pure
 * functions, any thread. */
#include "http/date.h"

#include <errno.h>
#include <string.h>

struct civil {
    int64_t year;
    int     month, day, hour, minute, second;    /* month and day from 1 */
};

/* What is left to read. */
struct cursor {
    struct text rest;
    bool        is_bad;
};

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const struct text long_day_names[] = {
    { "Sunday", 6 }, { "Monday", 6 }, { "Tuesday", 7 }, { "Wednesday", 9 }, { "Thursday", 8 },
    { "Friday", 6 }, { "Saturday", 8 },
};

enum { DAY_S = 86400, DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 };

/* Counts years from March, so that a leap day is a year's last. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

static struct civil civil_from_days(int64_t days)
{
    int64_t shifted = days + DAYS_TO_1970;
    int64_t era = (shifted >= 0 ? shifted : shifted - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int     month_from_march = (int)((5 * day_of_year + 2) / 153);
    int     month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

    return (struct civil){
        .year = year_of_era + era * 400 + (month <= 2 ? 1 : 0),
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5) + 1,
    };
}

static int days_in_month(int64_t year, int month)
{
    static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool                is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && is_leap ? 29 : days[month - 1];
}

/* ---- reading ---- */

static void take(struct cursor *cursor, const char *literal)
{
    struct text wanted = text_from(literal);

    if (text_has_prefix_nocase(cursor->rest, wanted))
        cursor->rest = text_from_offset(cursor->rest, wanted.len);
    else
        cursor->is_bad = true;
}

static int take_number(struct cursor *cursor, size_t digits)
{
    int number = 0;

    if (cursor->rest.len < digits) {
        cursor->is_bad = true;
        return 0;
    }
    for (size_t i = 0; i < digits; i++) {
        char c = cursor->rest.ptr[i];
        if (c < '0' || c > '9')
            cursor->is_bad = true;
        number = number * 10 + (c - '0');
    }
    cursor->rest = text_from_offset(cursor->rest, digits);
    return number;
}

/* Index of the three letters in `names`, from 0. */
static int take_name(struct cursor *cursor, const char *names)
{
    for (int i = 0; names[i * 3] != '\0'; i++)
        if (text_has_prefix_nocase(cursor->rest, text_of(names + i * 3, 3))) {
            cursor->rest = text_from_offset(cursor->rest, 3);
            return i;
        }
    cursor->is_bad = true;
    return 0;
}

static void take_time(struct cursor *cursor, struct civil *civil)
{
    civil->hour = take_number(cursor, 2);
    take(cursor, ":");
    civil->minute = take_number(cursor, 2);
    take(cursor, ":");
    civil->second = take_number(cursor, 2);
}

static void take_fixed(struct cursor *cursor, struct civil *civil)
{
    (void)take_name(cursor, day_names);
    take(cursor, ", ");
    civil->day = take_number(cursor, 2);
    take(cursor, " ");
    civil->month = take_name(cursor, month_names) + 1;
    take(cursor, " ");
    civil->year = take_number(cursor, 4);
    take(cursor, " ");
    take_time(cursor, civil);
    take(cursor, " GMT");
}

static void take_asctime(struct cursor *cursor, struct civil *civil)
{
    (void)take_name(cursor, day_names);
    take(cursor, " ");
    civil->month = take_name(cursor, month_names) + 1;
    take(cursor, " ");
    if (text_has_prefix(cursor->rest, TEXT(" "))) {
        take(cursor, " ");
        civil->day = take_number(cursor, 1);
    } else {
        civil->day = take_number(cursor, 2);
    }
    take(cursor, " ");
    take_time(cursor, civil);
    take(cursor, " ");
    civil->year = take_number(cursor, 4);
}

/* RFC 850's form, after the day's long name. The year is still without its century. */
static void take_rfc850(struct cursor *cursor, struct civil *civil)
{
    take(cursor, ", ");
    civil->day = take_number(cursor, 2);
    take(cursor, "-");
    civil->month = take_name(cursor, month_names) + 1;
    take(cursor, "-");
    civil->year = take_number(cursor, 2);
    take(cursor, " ");
    take_time(cursor, civil);
    take(cursor, " GMT");
}

static int64_t seconds_of(const struct civil *civil)
{
    return days_from_civil(civil->year, civil->month, civil->day) * DAY_S + civil->hour * 3600 +
           civil->minute * 60 + civil->second;
}

/* The latest century in which the date lies at most 50 years ahead (RFC 9110 5.6.7). */
static void choose_century(struct civil *civil, int64_t now_s)
{
    struct civil now = civil_from_days(now_s / DAY_S);
    int64_t      limit_s = days_from_civil(now.year + 50, now.month, now.day) * DAY_S + now_s % DAY_S;

    civil->year += now.year - now.year % 100 + 100;
    while (seconds_of(civil) > limit_s)
        civil->year -= 100;
}

static bool take_long_day(struct cursor *cursor)
{
    for (size_t i = 0; i < sizeof(long_day_names) / sizeof(long_day_names[0]); i++)
        if (text_has_prefix_nocase(cursor->rest, long_day_names[i])) {
            cursor->rest = text_from_offset(cursor->rest, long_day_names[i].len);
            return true;
        }
    return false;
}

/* A leap second is read as the second after it. */
static bool is_date(const struct civil *civil)
{
    return civil->day >= 1 && civil->day <= days_in_month(civil->year, civil->month)
           && civil->hour <= 23 && civil->minute <= 59 && civil->second <= 60;
}

int date_parse(struct text text, int64_t now_s, int64_t *ret_s)
{
    struct cursor cursor = { .rest = text };
    struct civil  civil = { .year = 0 };
    bool          is_rfc850 = take_long_day(&cursor);

    if (is_rfc850)
        take_rfc850(&cursor, &civil);
    else if (text.len > 3 && text.ptr[3] == ',')
        take_fixed(&cursor, &civil);
    else
        take_asctime(&cursor, &civil);
    if (cursor.is_bad || cursor.rest.len > 0)
        return -EINVAL;
    if (is_rfc850)
        choose_century(&civil, now_s);
    if (!is_date(&civil))
        return -EINVAL;
    *ret_s = seconds_of(&civil);
    return 0;
}

/* ---- writing ---- */

static void write_number(char *bytes, int64_t number, size_t digits)
{
    for (size_t i = digits; i-- > 0; number /= 10)
        bytes[i] = (char)('0' + number % 10);
}

void date_write(int64_t seconds, char ret_bytes[DATE_BYTES])
{
    static const char form[] = "Xxx, 00 Xxx 0000 00:00:00 GMT";
    int64_t           days = seconds / DAY_S - (seconds % DAY_S < 0 ? 1 : 0);
    int64_t           second = seconds - days * DAY_S;
    int64_t           weekday = ((days + 4) % 7 + 7) % 7;
    struct civil      civil = civil_from_days(days);

    memcpy(ret_bytes, form, DATE_BYTES);
    memcpy(ret_bytes, day_names + weekday * 3, 3);
    write_number(ret_bytes + 5, civil.day, 2);
    memcpy(ret_bytes + 8, month_names + (civil.month - 1) * 3, 3);
    write_number(ret_bytes + 12, civil.year, 4);
    write_number(ret_bytes + 17, second / 3600, 2);
    write_number(ret_bytes + 20, second / 60 % 60, 2);
    write_number(ret_bytes + 23, second % 60, 2);
}
