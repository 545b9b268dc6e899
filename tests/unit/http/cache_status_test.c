// SPDX-License-Identifier: MIT
/* cache_status: RFC 9211 2, each parameter, and the structured fields that they are. */
#include "base/unit.h"

#include "http/cache_status.h"
#include "http/structured.h"

static void rfc9211_2_1_and_2_2_a_hit_or_the_reason(void **state)
{
    static const char *const wanted[CACHE_FORWARD_COUNT] = {
        "c; hit", "c; fwd=bypass", "c; fwd=method", "c; fwd=uri-miss", "c; fwd=vary-miss",
        "c; fwd=miss", "c; fwd=request", "c; fwd=stale", "c; fwd=partial",
    };

    for (unsigned i = 0; i < CACHE_FORWARD_COUNT; i++) {
        struct cache_status status = { .name = TEXT("c"), .forward = (enum cache_forward)i };
        CHECK_TEXT(cache_status_text(&status, *state), wanted[i]);
    }
}

static void rfc9211_2_3_to_2_6_what_goes_with_a_forward(void **state)
{
    struct cache_status status = { .name = TEXT("c"), .forward = CACHE_FORWARD_STALE,
                                   .forward_status = 304, .is_stored = true, .ttl_s = 60,
                                   .has_ttl = true, .collapse = CACHE_COLLAPSED };

    CHECK_TEXT(cache_status_text(&status, *state),
               "c; fwd=stale; fwd-status=304; stored; collapsed; ttl=60");
    status.collapse = CACHE_NOT_COLLAPSED;
    status.is_stored = false;
    CHECK_TEXT(cache_status_text(&status, *state),
               "c; fwd=stale; fwd-status=304; collapsed=?0; ttl=60");
    status.forward = CACHE_FORWARD_NONE;
    status.is_stored = true;
    CHECK_TEXT(cache_status_text(&status, *state), "c; hit; ttl=60");
}

static void rfc9211_2_4_ttl_is_an_integer_of_either_sign(void **state)
{
    struct cache_status status = { .name = TEXT("c"), .has_ttl = true, .ttl_s = -412 };

    CHECK_TEXT(cache_status_text(&status, *state), "c; hit; ttl=-412");
    status.ttl_s = 0;
    CHECK_TEXT(cache_status_text(&status, *state), "c; hit; ttl=0");
    status.ttl_s = INT64_MAX;
    CHECK_TEXT(cache_status_text(&status, *state), "c; hit; ttl=999999999999999");
    status.ttl_s = INT64_MIN;
    CHECK_TEXT(cache_status_text(&status, *state), "c; hit; ttl=-999999999999999");
}

static void rfc9211_2_7_and_2_8_key_and_detail(void **state)
{
    struct cache_status status = { .name = TEXT("c"), .key = TEXT("GET/a\"b\\\xc3\xa9\n"),
                                   .detail = TEXT("MEMORY") };

    CHECK_TEXT(cache_status_text(&status, *state),
               "c; hit; key=\"GET/a\\\"b\\\\%C3%A9%0A\"; detail=MEMORY");
    status.key = TEXT_NONE;
    status.detail = TEXT("from disk");
    CHECK_TEXT(cache_status_text(&status, *state), "c; hit; detail=\"from disk\"");
}

static void rfc9211_2_the_name_is_a_token_or_a_string(void **state)
{
    struct cache_status status = { .name = TEXT("cache-3.example.com:80") };

    CHECK_TEXT(cache_status_text(&status, *state), "cache-3.example.com:80; hit");
    status.name = TEXT("CDN Company Here");
    CHECK_TEXT(cache_status_text(&status, *state), "\"CDN Company Here\"; hit");
    status.name = TEXT("127.0.0.1");
    CHECK_TEXT(cache_status_text(&status, *state), "\"127.0.0.1\"; hit");
}

static void rfc9211_2_we_come_after_those_nearer_to_the_origin(void **state)
{
    struct fields       fields;
    struct cache_status status = { .name = TEXT("near") };
    struct structured  *list;

    fields_init(&fields, *state, 4);
    cache_status_append(&fields, &status);
    CHECK_TEXT(fields_joined(&fields, TEXT("cache-status"), *state), "near; hit");
    fields_set_name(&fields, TEXT("cache-status"), TEXT("a; fwd=miss"));
    fields_add(&fields, TEXT("Cache-Status"), TEXT("\"b, c\"; hit; ttl=4"));
    status.key = TEXT("x");
    cache_status_append(&fields, &status);
    CHECK_TEXT(fields_find_name(&fields, TEXT("Cache-Status"))->value,
               "a; fwd=miss, \"b, c\"; hit; ttl=4, near; hit; key=\"x\"");
    assert_null(fields_find_next(&fields, fields_find_name(&fields, TEXT("Cache-Status"))));
    assert_int_equal(structured_parse_list(fields.items[0].value, *state, &list), 0);
    CHECK_TEXT(list->next->next->text, "near");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(rfc9211_2_1_and_2_2_a_hit_or_the_reason),
        WITH_ARENA(rfc9211_2_3_to_2_6_what_goes_with_a_forward),
        WITH_ARENA(rfc9211_2_4_ttl_is_an_integer_of_either_sign),
        WITH_ARENA(rfc9211_2_7_and_2_8_key_and_detail),
        WITH_ARENA(rfc9211_2_the_name_is_a_token_or_a_string),
        WITH_ARENA(rfc9211_2_we_come_after_those_nearer_to_the_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
