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

static bool is_current(struct texts *texts, int64_t wall_ms)
{
    if (texts->is_made && texts->second == wall_ms / 1000)
        return true;
    texts->second = wall_ms / 1000;
    texts->is_made = true;
    return false;
}

static struct text made(struct texts *texts, int len)
{
    texts->len = len > 0 && (size_t)len < sizeof(texts->bytes) ? (size_t)len : 0;
    return text_of(texts->bytes, texts->len);
}

struct text clock_http_date(int64_t wall_ms)
{
    static thread_local struct texts texts;
    struct tm                        tm;
    time_t                           second = (time_t)(wall_ms / 1000);

    if (is_current(&texts, wall_ms))
        return text_of(texts.bytes, texts.len);
    gmtime_r(&second, &tm);
    return made(&texts, snprintf(texts.bytes, sizeof(texts.bytes),
                                 "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + tm.tm_wday * 3,
                                 tm.tm_mday, months + tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour,
                                 tm.tm_min, tm.tm_sec));
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

struct text clock_log_date(int64_t wall_ms)
{
    static thread_local struct texts texts;
    struct tm                        tm;
    time_t                           second = (time_t)(wall_ms / 1000);
    struct offset                    offset;

    if (is_current(&texts, wall_ms))
        return text_of(texts.bytes, texts.len);
    localtime_r(&second, &tm);
    offset = offset_of(&tm);
    return made(&texts, snprintf(texts.bytes, sizeof(texts.bytes),
                                 "%02d/%.3s/%04d:%02d:%02d:%02d %c%02d%02d", tm.tm_mday,
                                 months + tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                                 tm.tm_sec, offset.sign, offset.hours, offset.minutes));
}

struct text clock_iso_date(int64_t wall_ms)
{
    static thread_local struct texts texts;
    struct tm                        tm;
    time_t                           second = (time_t)(wall_ms / 1000);
    struct offset                    offset;

    if (is_current(&texts, wall_ms))
        return text_of(texts.bytes, texts.len);
    localtime_r(&second, &tm);
    offset = offset_of(&tm);
    return made(&texts, snprintf(texts.bytes, sizeof(texts.bytes),
                                 "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", tm.tm_year + 1900,
                                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                                 offset.sign, offset.hours, offset.minutes));
}

struct text clock_error_date(int64_t wall_ms)
{
    static thread_local struct texts texts;
    struct tm                        tm;
    time_t                           second = (time_t)(wall_ms / 1000);

    if (is_current(&texts, wall_ms))
        return text_of(texts.bytes, texts.len);
    localtime_r(&second, &tm);
    return made(&texts, snprintf(texts.bytes, sizeof(texts.bytes), "%04d/%02d/%02d %02d:%02d:%02d",
                                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                                 tm.tm_min, tm.tm_sec));
}

struct text clock_syslog_date(int64_t wall_ms)
{
    static thread_local struct texts texts;
    struct tm                        tm;
    time_t                           second = (time_t)(wall_ms / 1000);

    if (is_current(&texts, wall_ms))
        return text_of(texts.bytes, texts.len);
    localtime_r(&second, &tm);
    return made(&texts,
                snprintf(texts.bytes, sizeof(texts.bytes), "%.3s %2d %02d:%02d:%02d",
                         months + tm.tm_mon * 3, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec));
}
