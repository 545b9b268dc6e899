// SPDX-License-Identifier: MIT
/* Expires and Cache-Control from one setting, by nginx's rules. Cache-Control is replaced as
 * a whole, whatever the peer said. Pure; the exchange's loop. */
#include "proxy/expires.h"

#include <errno.h>
#include <time.h>

#include "base/arena.h"
#include "http/date.h"

enum { MINUTE_S = 60, HOUR_S = 60 * MINUTE_S, DAY_S = 24 * HOUR_S };

/* From long to short: a time names its units in this order, each at most once. */
static const struct unit { char letter; int64_t seconds; } units[] = {
    { 'y', 365 * DAY_S }, { 'M', 30 * DAY_S }, { 'w', 7 * DAY_S }, { 'd', DAY_S },
    { 'h', HOUR_S },      { 'm', MINUTE_S },   { 's', 1 },
};
enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };

/* ---- values ---- */

/* Takes one "15m" off the front; without a letter it means seconds and must be the last. */
static int take_part(struct text *rest, unsigned *unit, int64_t *seconds)
{
    uint64_t number;
    size_t   digits = 0;

    while (digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9')
        digits++;
    if (text_to_u64(text_part(*rest, 0, digits), &number) != 0 || number > INT32_MAX)
        return -EINVAL;
    char letter = digits < rest->len ? rest->ptr[digits] : 's';
    while (*unit < UNIT_COUNT && units[*unit].letter != letter)
        (*unit)++;
    if (*unit == UNIT_COUNT)
        return -EINVAL;
    *seconds += (int64_t)number * units[(*unit)++].seconds;
    *rest = text_from_offset(*rest, digits + 1);
    return 0;
}

static int seconds_parse(struct text text, int64_t *ret_seconds)
{
    int64_t  seconds = 0;
    unsigned unit = 0;

    if (text.len == 0)
        return -EINVAL;
    while (text.len > 0)
        if (take_part(&text, &unit, &seconds) != 0)
            return -EINVAL;
    *ret_seconds = seconds;
    return 0;
}

static int word_parse(struct text value, enum expires_kind *ret_kind)
{
    if (text_is_equal(value, TEXT("epoch")))
        *ret_kind = EXPIRES_EPOCH;
    else if (text_is_equal(value, TEXT("max")))
        *ret_kind = EXPIRES_MAX;
    else if (text_is_equal(value, TEXT("off")))
        *ret_kind = EXPIRES_OFF;
    else
        return -EINVAL;
    return 0;
}

int expires_parse(struct text value, struct expires *ret_expires)
{
    struct expires expires = { .kind = EXPIRES_ACCESS };
    char           sign = value.len > 0 ? value.ptr[0] : '\0';

    if (word_parse(value, &expires.kind) == 0) {
        *ret_expires = expires;
        return 0;
    }
    if (sign == '@' || sign == '+' || sign == '-')
        value = text_from_offset(value, 1);
    if (seconds_parse(value, &expires.seconds) != 0)
        return -EINVAL;
    if (sign == '@') {
        expires.kind = EXPIRES_DAILY;
        if (expires.seconds > DAY_S)
            return -EINVAL;
    }
    if (sign == '-')
        expires.seconds = -expires.seconds;
    *ret_expires = expires;
    return 0;
}

/* ---- answers ---- */

static void set_fields(struct head *answer, struct text date, struct text control)
{
    fields_set(&answer->fields, FIELD_EXPIRES, date);
    fields_set(&answer->fields, FIELD_CACHE_CONTROL, control);
}

/* What Age says has gone of max-age already (RFC 9111 4.2): it comes on top, as with Expires, which
 * counts from Date. So the time is from now on, also when a cache answers. */
static int64_t plus_age(const struct head *answer, int64_t max_age_s)
{
    uint64_t age_s;

    if (max_age_s <= 0 || text_to_u64(fields_value(&answer->fields, FIELD_AGE), &age_s) != 0 ||
        age_s > INT32_MAX)
        return max_age_s;
    return max_age_s + (int64_t)age_s;
}

static void set_times(struct head *answer, int64_t at_s, int64_t max_age_s)
{
    struct arena *arena = answer->fields.arena;
    char         *date = arena_bytes(arena, DATE_BYTES);

    date_write(at_s, date);
    max_age_s = plus_age(answer, max_age_s);
    set_fields(answer, text_of(date, DATE_BYTES),
               max_age_s < 0 ? TEXT("no-cache")
                             : arena_format(arena, "max-age=%lld", (long long)max_age_s));
}

/* The next time that the local clock shows this second of the day. */
static int64_t next_daily(int64_t second_of_day, int64_t now_s)
{
    time_t    now = (time_t)now_s;
    struct tm local;

    localtime_r(&now, &local);
    local.tm_hour = (int)(second_of_day / HOUR_S);
    local.tm_min = (int)(second_of_day / MINUTE_S % 60);
    local.tm_sec = (int)(second_of_day % MINUTE_S);
    local.tm_isdst = -1;
    time_t next = mktime(&local);
    if (next > now)
        return next;
    local.tm_mday++;
    local.tm_isdst = -1;
    return mktime(&local);
}

static int64_t base_time(const struct expires *expires, int64_t now_s, const struct head *answer)
{
    int64_t     modified_s;
    struct text modified = fields_value(&answer->fields, FIELD_LAST_MODIFIED);

    if (expires->kind == EXPIRES_MODIFIED && modified.ptr != NULL &&
        date_parse(modified, now_s, &modified_s) == 0)
        return modified_s;
    return now_s;
}

static void apply_known(const struct expires *expires, int64_t now_s, struct head *answer)
{
    int64_t at_s = now_s;

    switch (expires->kind) {
    case EXPIRES_OFF:
    case EXPIRES_VARIABLE:
        return;
    case EXPIRES_EPOCH:
        set_fields(answer, TEXT("Thu, 01 Jan 1970 00:00:01 GMT"), TEXT("no-cache"));
        return;
    case EXPIRES_MAX:
        set_fields(answer, TEXT("Thu, 31 Dec 2037 23:55:55 GMT"), TEXT("max-age=315360000"));
        return;
    case EXPIRES_DAILY:
        at_s = next_daily(expires->seconds, now_s);
        break;
    case EXPIRES_ACCESS:
    case EXPIRES_MODIFIED:
        /* Zero means "now" for both. */
        if (expires->seconds != 0)
            at_s = base_time(expires, now_s, answer) + expires->seconds;
        break;
    }
    set_times(answer, at_s, at_s - now_s);
}

void expires_apply(const struct expires *expires, struct scope *scope, int64_t now_s,
                   struct head *answer)
{
    struct expires evaluated;

    if (expires->kind != EXPIRES_VARIABLE) {
        apply_known(expires, now_s, answer);
        return;
    }
    if (expires_parse(template_eval(expires->value, scope), &evaluated) == 0)
        apply_known(&evaluated, now_s, answer);
}
