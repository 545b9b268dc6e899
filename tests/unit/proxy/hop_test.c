// SPDX-License-Identifier: MIT
/* Which fields Connection takes out, and that the received head stays as it came. */
#include "proxy/hop.h"

#include "desk.h"

static bool take(struct fields *ret_fields)
{
    return hop_fields(&desk->request, desk->arena, ret_fields);
}

static void usual_options_cost_no_copy(void **state)
{
    struct fields fields;

    (void)state;
    desk_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
                 "Connection: close,TE\r\nX: 1\r\n\r\n");
    assert_true(take(&fields));
    assert_ptr_equal(fields.items, desk->request.fields.items);
}

static void named_fields_go(void **state)
{
    struct fields fields;

    (void)state;
    desk_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-trace, Accept\r\nX-Trace: 1\r\n"
                 "Accept: b\r\nX-Other: 1\r\n\r\n");
    assert_true(take(&fields));
    assert_null(fields_find_name(&fields, TEXT("X-Trace")));
    assert_null(fields_find(&fields, FIELD_ACCEPT));
    assert_non_null(fields_find_name(&fields, TEXT("X-Other")));
    assert_non_null(fields_find_name(&desk->request.fields, TEXT("X-Trace")));
    assert_non_null(fields_find(&desk->request.fields, FIELD_CONNECTION));
}

static void fields_that_must_stay_are_not_named(void **state)
{
    static const char *const names[] = { "Host", "authorization", "Cookie", "X-Real-IP",
                                         "Content-Length", "Transfer-Encoding",
                                         "x-forwarded-for" };
    struct fields fields;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        desk_request(arena_string(desk->arena,
                                  arena_format(desk->arena,
                                               "GET / HTTP/1.1\r\nHost: a\r\n"
                                               "Connection: close, %s\r\n\r\n", names[i])));
        if (take(&fields))
            fail_msg("Connection may name %s", names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DESK(usual_options_cost_no_copy),
        WITH_DESK(named_fields_go),
        WITH_DESK(fields_that_must_stay_are_not_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
