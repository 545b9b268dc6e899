// SPDX-License-Identifier: MIT
/* cookie: finding one, and rewriting attributes without touching the rest. */
#include "base/unit.h"

#include "http/cookie.h"

static void cookies_are_found_by_exact_name(void **state)
{
    struct fields fields;
    struct text   value;

    fields_init(&fields, *state, 4);
    fields_add(&fields, TEXT("Cookie"), TEXT("a=1; bc=2;d = \"3\" ;e; f=;g=x=y"));
    fields_add(&fields, TEXT("Cookie"), TEXT("second=4; a=5"));
    assert_true(cookie_find(&fields, TEXT("a"), &value));
    CHECK_TEXT(value, "1");
    assert_true(cookie_find(&fields, TEXT("bc"), &value));
    CHECK_TEXT(value, "2");
    assert_true(cookie_find(&fields, TEXT("d"), &value));
    CHECK_TEXT(value, "\"3\"");
    assert_true(cookie_find(&fields, TEXT("f"), &value));
    CHECK_TEXT(value, "");
    assert_true(cookie_find(&fields, TEXT("g"), &value));
    CHECK_TEXT(value, "x=y");
    assert_true(cookie_find(&fields, TEXT("second"), &value));
    CHECK_TEXT(value, "4");
    assert_false(cookie_find(&fields, TEXT("A"), &value));
    assert_false(cookie_find(&fields, TEXT("c"), &value));
    assert_false(cookie_find(&fields, TEXT("e"), &value));
}

static void attributes_are_found_in_any_case(void **state)
{
    struct text cookie = TEXT("path=v; Path=/x ;secure; Max-Age = 5"), value;

    (void)state;
    assert_true(cookie_attribute(cookie, TEXT("PATH"), &value));
    CHECK_TEXT(value, "/x");
    assert_true(cookie_attribute(cookie, TEXT("Secure"), &value));
    CHECK_TEXT(value, "");
    assert_true(cookie_attribute(cookie, TEXT("max-age"), &value));
    CHECK_TEXT(value, "5");
    assert_false(cookie_attribute(cookie, TEXT("Domain"), &value));
    assert_false(cookie_attribute(TEXT("path=v"), TEXT("path"), &value));
}

static void attributes_are_set_where_they_stand(void **state)
{
    struct text cookie = TEXT("a=b; Path=/x; HttpOnly");

    CHECK_TEXT(cookie_with_attribute(*state, cookie, TEXT("path"), TEXT("/y")),
               "a=b; path=/y; HttpOnly");
    CHECK_TEXT(cookie_with_attribute(*state, cookie, TEXT("Domain"), TEXT("d")),
               "a=b; Path=/x; HttpOnly; Domain=d");
    CHECK_TEXT(cookie_with_attribute(*state, cookie, TEXT("Secure"), TEXT_NONE),
               "a=b; Path=/x; HttpOnly; Secure");
    CHECK_TEXT(cookie_with_attribute(*state, TEXT("a=b;Path=1;c; path=2"), TEXT("Path"), TEXT("")),
               "a=b; Path=;c");
    CHECK_TEXT(cookie_with_attribute(*state, TEXT("a=b"), TEXT("SameSite"), TEXT("Lax")),
               "a=b; SameSite=Lax");
}

static void attributes_are_removed(void **state)
{
    CHECK_TEXT(cookie_without_attribute(*state, TEXT("a=b; secure; Path=/x;Secure"), TEXT("Secure")),
               "a=b; Path=/x");
    CHECK_TEXT(cookie_without_attribute(*state, TEXT("secure=b"), TEXT("Secure")), "secure=b");
}

static void names_stand_before_the_equals_sign(void **state)
{
    (void)state;
    CHECK_TEXT(cookie_name(TEXT(" a = b; c=d")), "a");
    CHECK_TEXT(cookie_name(TEXT("a; c=d")), "a");
    CHECK_TEXT(cookie_name(TEXT("")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(cookies_are_found_by_exact_name),
        cmocka_unit_test(attributes_are_found_in_any_case),
        WITH_ARENA(attributes_are_set_where_they_stand),
        WITH_ARENA(attributes_are_removed),
        cmocka_unit_test(names_stand_before_the_equals_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
