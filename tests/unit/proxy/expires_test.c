// SPDX-License-Identifier: MIT
/* expires: its values, and the two fields that come of them. */
#include "proxy/expires.h"

#include <stdlib.h>
#include <time.h>

#include "desk.h"

enum { NOW_S = 1795485220 };             /* Tue, 24 Nov 2026 01:53:40 GMT */

static struct head *answer_with(const char *name, const char *value)
{
    struct head *answer = ARENA_NEW(desk->arena, struct head);

    head_init(answer, desk->arena, 0);
    if (name != NULL)
        fields_add(&answer->fields, text_from(name), text_from(value));
    return answer;
}

static void values_are_read(void **state)
{
    static const struct { const char *value; enum expires_kind kind; int64_t seconds; } cases[] = {
        { "epoch", EXPIRES_EPOCH, 0 },   { "max", EXPIRES_MAX, 0 },
        { "off", EXPIRES_OFF, 0 },       { "0", EXPIRES_ACCESS, 0 },
        { "1h", EXPIRES_ACCESS, 3600 },  { "+1h30m", EXPIRES_ACCESS, 5400 },
        { "-1", EXPIRES_ACCESS, -1 },    { "1y", EXPIRES_ACCESS, 31536000 },
        { "1M1w1d", EXPIRES_ACCESS, 2592000 + 604800 + 86400 },
        { "@15h30m", EXPIRES_DAILY, 55800 }, { "1m5", EXPIRES_ACCESS, 65 },
    };
    struct expires expires;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (expires_parse(text_from(cases[i].value), &expires) != 0)
            fail_msg("%s is refused", cases[i].value);
        assert_int_equal(expires.kind, cases[i].kind);
        assert_int_equal(expires.seconds, cases[i].seconds);
    }
}

static void other_values_are_refused(void **state)
{
    static const char *const values[] = { "", "h", "1x", "1m1h", "1h1h", "@25h", "-", "1ms",
                                          "99999999999", "maximum", "1 h" };
    struct expires expires;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        if (expires_parse(text_from(values[i]), &expires) == 0)
            fail_msg("\"%s\" is taken", values[i]);
}

static void check(struct expires expires, struct head *answer, const char *date,
                  const char *control)
{
    expires_apply(&expires, &desk->x.scope, NOW_S, answer);
    CHECK_TEXT(desk_field(answer, "Expires"), date);
    CHECK_TEXT(desk_field(answer, "Cache-Control"), control);
}

static void fields_are_set(void **state)
{
    (void)state;
    check((struct expires){ .kind = EXPIRES_EPOCH }, answer_with(NULL, NULL),
          "Thu, 01 Jan 1970 00:00:01 GMT", "no-cache");
    check((struct expires){ .kind = EXPIRES_MAX }, answer_with(NULL, NULL),
          "Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000");
    check((struct expires){ .kind = EXPIRES_ACCESS, .seconds = 3600 }, answer_with(NULL, NULL),
          "Tue, 24 Nov 2026 02:53:40 GMT", "max-age=3600");
    check((struct expires){ .kind = EXPIRES_ACCESS, .seconds = -1 }, answer_with(NULL, NULL),
          "Tue, 24 Nov 2026 01:53:39 GMT", "no-cache");
    check((struct expires){ .kind = EXPIRES_MODIFIED, .seconds = 0 },
          answer_with("Last-Modified", "Tue, 24 Nov 2020 00:00:00 GMT"),
          "Tue, 24 Nov 2026 01:53:40 GMT", "max-age=0");
}

static void modified_counts_from_the_answer(void **state)
{
    struct expires expires = { .kind = EXPIRES_MODIFIED, .seconds = 7200 };

    (void)state;
    check(expires, answer_with("Last-Modified", "Tue, 24 Nov 2026 01:00:00 GMT"),
          "Tue, 24 Nov 2026 03:00:00 GMT", "max-age=3980");
    check(expires, answer_with("Last-Modified", "Tue, 24 Nov 2020 01:00:00 GMT"),
          "Tue, 24 Nov 2020 03:00:00 GMT", "no-cache");
    check(expires, answer_with("Last-Modified", "yesterday"),
          "Tue, 24 Nov 2026 03:53:40 GMT", "max-age=7200");
    check(expires, answer_with(NULL, NULL), "Tue, 24 Nov 2026 03:53:40 GMT", "max-age=7200");
}

static void a_time_of_day_is_the_next_one(void **state)
{
    (void)state;
    check((struct expires){ .kind = EXPIRES_DAILY, .seconds = 2 * 3600 }, answer_with(NULL, NULL),
          "Tue, 24 Nov 2026 02:00:00 GMT", "max-age=380");
    check((struct expires){ .kind = EXPIRES_DAILY, .seconds = 3600 }, answer_with(NULL, NULL),
          "Wed, 25 Nov 2026 01:00:00 GMT", "max-age=83180");
}

static void what_the_peer_said_is_replaced(void **state)
{
    struct head *answer = answer_with("Cache-Control", "private");

    (void)state;
    fields_add(&answer->fields, TEXT("Cache-Control"), TEXT("no-store"));
    fields_add(&answer->fields, TEXT("Expires"), TEXT("0"));
    check((struct expires){ .kind = EXPIRES_ACCESS, .seconds = 60 }, answer,
          "Tue, 24 Nov 2026 01:54:40 GMT", "max-age=60");
}

static void a_variable_decides(void **state)
{
    struct expires expires = { .kind = EXPIRES_VARIABLE, .value = desk_template("$arg_e") };
    struct head   *answer = answer_with("Cache-Control", "private");

    (void)state;
    desk_request("GET /?e=off HTTP/1.1\r\nHost: a\r\n\r\n");
    expires_apply(&expires, &desk->x.scope, NOW_S, answer);
    desk_request("GET /?e=rubbish HTTP/1.1\r\nHost: a\r\n\r\n");
    expires_apply(&expires, &desk->x.scope, NOW_S, answer);
    CHECK_TEXT(desk_field(answer, "Cache-Control"), "private");
    assert_null(desk_field(answer, "Expires").ptr);
    desk_request("GET /?e=1m HTTP/1.1\r\nHost: a\r\n\r\n");
    check(expires, answer, "Tue, 24 Nov 2026 01:54:40 GMT", "max-age=60");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(other_values_are_refused),
        WITH_DESK(fields_are_set),
        WITH_DESK(modified_counts_from_the_answer),
        WITH_DESK(a_time_of_day_is_the_next_one),
        WITH_DESK(what_the_peer_said_is_replaced),
        WITH_DESK(a_variable_decides),
    };

    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
