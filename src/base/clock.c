// SPDX-License-Identifier: MIT
/* Clocks, and the texts of a second, made once per second and thread: dates stand in every answer
 * and log line. Names of days and months are ours, since strftime's depend on the locale. */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <time.h>

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* What a second is called in one form. */
struct texts {
    int64_t second;
    bool    is_made;
    char    bytes[48];
    size_t  len;
};

static int64_t clock_us(clockid_t id)
{
    struct timespec time;

    (void)clock_gettime(id, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

/* Made anew only when the thread asks for another second; write() counts as snprintf() does. */
static struct text text_of_second(struct texts *texts, int64_t wall_ms, bool is_local,
                                  int (*write)(char *bytes, size_t size, const struct tm *tm))
{
    time_t    second = (time_t)(wall_ms / 1000);
    struct tm tm;
    int       len;

    if (texts->is_made && texts->second == second)
        return text_of(texts->bytes, texts->len);
    if (is_local)
        localtime_r(&second, &tm);
    else
        gmtime_r(&second, &tm);
    len = write(texts->bytes, sizeof(texts->bytes), &tm);
    texts->len = len > 0 && (size_t)len < sizeof(texts->bytes) ? (size_t)len : 0;
    texts->second = second;
    texts->is_made = true;
    return text_of(texts->bytes, texts->len);
}

static int write_http(char *bytes, size_t size, const struct tm *tm)
{
    return snprintf(bytes, size, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + tm->tm_wday * 3,
                    tm->tm_mday, months + tm->tm_mon * 3, tm->tm_year + 1900, tm->tm_hour,
                    tm->tm_min, tm->tm_sec);
}

struct text clock_http_date(int64_t wall_ms)
{
    static thread_local struct texts texts;

    return text_of_second(&texts, wall_ms, false, write_http);
}

struct offset {
    char sign;
    int  hours, minutes;
};

static struct offset offset_of(const struct tm *tm)
{
    long seconds = tm->tm_gmtoff;

    return (struct offset){ .sign = seconds < 0 ? '-' : '+',
                            .hours = (int)((seconds < 0 ? -seconds : seconds) / 3600),
                            .minutes = (int)((seconds < 0 ? -seconds : seconds) / 60 % 60) };
}

static int write_log(char *bytes, size_t size, const struct tm *tm)
{
    struct offset offset = offset_of(tm);

    return snprintf(bytes, size, "%02d/%.3s/%04d:%02d:%02d:%02d %c%02d%02d", tm->tm_mday,
                    months + tm->tm_mon * 3, tm->tm_year + 1900, tm->tm_hour, tm->tm_min,
                    tm->tm_sec, offset.sign, offset.hours, offset.minutes);
}

struct text clock_log_date(int64_t wall_ms)
{
    static thread_local struct texts texts;

    return text_of_second(&texts, wall_ms, true, write_log);
}

static int write_iso(char *bytes, size_t size, const struct tm *tm)
{
    struct offset offset = offset_of(tm);

    return snprintf(bytes, size, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", tm->tm_year + 1900,
                    tm->tm_mon + 1, tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec, offset.sign,
                    offset.hours, offset.minutes);
}

struct text clock_iso_date(int64_t wall_ms)
{
    static thread_local struct texts texts;

    return text_of_second(&texts, wall_ms, true, write_iso);
}

static int write_error(char *bytes, size_t size, const struct tm *tm)
{
    return snprintf(bytes, size, "%04d/%02d/%02d %02d:%02d:%02d", tm->tm_year + 1900, tm->tm_mon + 1,
                    tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec);
}

struct text clock_error_date(int64_t wall_ms)
{
    static thread_local struct texts texts;

    return text_of_second(&texts, wall_ms, true, write_error);
}

static int write_syslog(char *bytes, size_t size, const struct tm *tm)
{
    return snprintf(bytes, size, "%.3s %2d %02d:%02d:%02d", months + tm->tm_mon * 3, tm->tm_mday,
                    tm->tm_hour, tm->tm_min, tm->tm_sec);
}

struct text clock_syslog_date(int64_t wall_ms)
{
    static thread_local struct texts texts;

    return text_of_second(&texts, wall_ms, true, write_syslog);
}
