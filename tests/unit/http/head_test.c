// SPDX-License-Identifier: MIT
/* head: what of a message belongs to one connection only. */
#include "base/unit.h"

#include "http/head.h"

static void hop_fields_and_named_ones_go(void **state)
{
    struct head head;

    head_init(&head, *state, 0);
    fields_add(&head.fields, TEXT("Connection"), TEXT("close, X-Secret ,,x-gone"));
    fields_add(&head.fields, TEXT("X-Secret"), TEXT("1"));
    fields_add(&head.fields, TEXT("x-stays"), TEXT("2"));
    fields_add(&head.fields, TEXT("connection"), TEXT("Referer"));
    fields_add(&head.fields, TEXT("Referer"), TEXT("3"));
    fields_add(&head.fields, TEXT("Keep-Alive"), TEXT("4"));
    fields_add(&head.fields, TEXT("TE"), TEXT("trailers"));
    fields_add(&head.fields, TEXT("Upgrade"), TEXT("websocket"));
    fields_add(&head.fields, TEXT("Content-Length"), TEXT("5"));
    fields_add(&head.fields, TEXT("Transfer-Encoding"), TEXT("chunked"));
    fields_add(&head.fields, TEXT("Proxy-Connection"), TEXT("x"));
    fields_add(&head.fields, TEXT("Trailer"), TEXT("x"));
    assert_true(head_strip_hop_fields(&head));
    FIELDS_EACH(&head.fields, field)
        CHECK_TEXT(field->name, "x-stays");
}

static void stripping_somebody_elses_fields_is_noticed(void **state)
{
    static const char *const names[] = { "Host", "content-length", "X-Forwarded-For",
                                         "Authorization", "Cookie", "transfer-encoding" };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct head head;
        head_init(&head, *state, 0);
        fields_add(&head.fields, TEXT("Host"), TEXT("a"));
        fields_add(&head.fields, TEXT("X-Other"), TEXT("b"));
        fields_add(&head.fields, TEXT("Connection"), text_from(names[i]));
        fields_add(&head.fields, TEXT("Connection"), TEXT("x-other"));
        CHECK_CASE(!head_strip_hop_fields(&head), names[i]);
        assert_non_null(fields_find(&head.fields, FIELD_HOST));
        assert_null(fields_find_name(&head.fields, TEXT("X-Other")));
    }
}

static void long_connection_lists_are_refused(void **state)
{
    struct head head;

    for (unsigned options = 64; options <= 65; options++) {
        head_init(&head, *state, 0);
        for (unsigned i = 0; i < options; i++)
            fields_add(&head.fields, TEXT("Connection"), TEXT("close"));
        assert_int_equal(head_strip_hop_fields(&head), options == 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(hop_fields_and_named_ones_go),
        WITH_ARENA(stripping_somebody_elses_fields_is_noticed),
        WITH_ARENA(long_connection_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
