// SPDX-License-Identifier: MIT
/* etag: RFC 9110 8.8.3 (grammar), 8.8.3.2 (comparison), 5.6.1.2 (lists). */
#include "base/unit.h"

#include "http/etag.h"

static void rfc9110_8_8_3_tags_are_quoted_and_opaque(void **state)
{
    static const char *const good[] = { "\"\"", "\"xyzzy\"", "W/\"xyzzy\"", "W/\"\"", "\"a\\\"",
                                        "\"W/\"", "\"a,b\"", "\"a b\"", "\"!#~\x80\xff\"" };
    static const char *const bad[] = { "", "\"", "x", "xyzzy\"", "\"xyzzy", "w/\"a\"", "W/", "W/a",
                                       "W \"a\"", "\"a\tb\"", "\"a\"b\"", "\"a\"b",
                                       "\"a\" ", " \"a\"", "'a'", "*", "\"\x7f\"", "W/W/\"a\"" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        CHECK_CASE(etag_is_valid(text_from(good[i])), good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_CASE(!etag_is_valid(text_from(bad[i])), bad[i]);
    assert_false(etag_is_valid(TEXT_NONE));
    assert_true(etag_is_weak(TEXT("W/\"1\"")));
    assert_false(etag_is_weak(TEXT("\"W/1\"")));
}

static void rfc9110_8_8_3_2_two_ways_to_compare(void **state)
{
    static const struct { const char *a, *b; bool is_strong, is_weak; } rows[] = {
        { "W/\"1\"", "W/\"1\"", false, true },  { "W/\"1\"", "W/\"2\"", false, false },
        { "W/\"1\"", "\"1\"", false, true },    { "\"1\"", "W/\"1\"", false, true },
        { "\"1\"", "\"1\"", true, true },       { "\"a\"", "\"A\"", false, false },
        { "1", "1", false, false },             { "\"1", "\"1", false, false },
        { "", "", false, false },               { "\"\"", "\"\"", true, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text a = text_from(rows[i].a), b = text_from(rows[i].b);
        CHECK_CASE(etag_is_equal_strong(a, b) == rows[i].is_strong, rows[i].a);
        CHECK_CASE(etag_is_equal_weak(a, b) == rows[i].is_weak, rows[i].a);
    }
}

static void rfc9110_5_6_1_2_lists_skip_empty_members(void **state)
{
    struct text rest = TEXT(", \"a,b\" ,\t,W/\"c\\\",\"d\","), tag = TEXT_NONE;

    (void)state;
    assert_int_equal(etag_list_next(&rest, &tag), ETAG_READ);
    CHECK_TEXT(tag, "\"a,b\"");
    assert_int_equal(etag_list_next(&rest, &tag), ETAG_READ);
    CHECK_TEXT(tag, "W/\"c\\\"");
    assert_int_equal(etag_list_next(&rest, &tag), ETAG_READ);
    CHECK_TEXT(tag, "\"d\"");
    assert_int_equal(etag_list_next(&rest, &tag), ETAG_END);
    assert_int_equal(etag_list_next(&rest, &tag), ETAG_END);
}

static void malformed_lists_say_so(void **state)
{
    static const char *const bad[] = { "a", "\"a\"\"b\"", "\"a\" \"b\"", "\"a\";x", "\"b, \\\"a\"", "*" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct text rest = text_from(bad[i]), tag;
        CHECK_CASE(etag_list_next(&rest, &tag) == ETAG_MALFORMED, bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc9110_8_8_3_tags_are_quoted_and_opaque),
        cmocka_unit_test(rfc9110_8_8_3_2_two_ways_to_compare),
        cmocka_unit_test(rfc9110_5_6_1_2_lists_skip_empty_members),
        cmocka_unit_test(malformed_lists_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
