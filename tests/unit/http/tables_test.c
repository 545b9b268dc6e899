// SPDX-License-Identifier: MIT
/* method, status, fault: the tables say what they should, and are complete. */
#include "base/unit.h"

#include "http/fault.h"
#include "http/method.h"
#include "http/status.h"

static void methods_are_case_sensitive(void **state)
{
    (void)state;
    assert_int_equal(method_of(TEXT("GET")), METHOD_GET);
    assert_int_equal(method_of(TEXT("PATCH")), METHOD_PATCH);
    assert_int_equal(method_of(TEXT("CONNECT")), METHOD_CONNECT);
    assert_int_equal(method_of(TEXT("get")), METHOD_OTHER);
    assert_int_equal(method_of(TEXT("GETS")), METHOD_OTHER);
    assert_int_equal(method_of(TEXT("GE")), METHOD_OTHER);
    assert_int_equal(method_of(TEXT("")), METHOD_OTHER);
}

static void method_properties_follow_rfc_9110(void **state)
{
    (void)state;
    assert_true(method_is_safe(METHOD_GET) && method_is_safe(METHOD_TRACE));
    assert_false(method_is_safe(METHOD_PUT) || method_is_safe(METHOD_OTHER));
    assert_true(method_is_idempotent(METHOD_PUT) && method_is_idempotent(METHOD_DELETE));
    assert_false(method_is_idempotent(METHOD_POST) || method_is_idempotent(METHOD_PATCH));
    assert_false(method_is_idempotent(METHOD_OTHER) || method_is_idempotent(METHOD_CONNECT));
    for (int i = 0; i < METHOD_COUNT; i++)
        if (method_is_safe((enum method)i))
            assert_true(method_is_idempotent((enum method)i));
}

static void reasons_are_found(void **state)
{
    (void)state;
    CHECK_TEXT(status_reason(100), "Continue");
    CHECK_TEXT(status_reason(200), "OK");
    CHECK_TEXT(status_reason(404), "Not Found");
    CHECK_TEXT(status_reason(511), "Network Authentication Required");
    CHECK_TEXT(status_reason(499), "");
    CHECK_TEXT(status_reason(0), "");
    CHECK_TEXT(status_reason(1000), "");
}

static void content_follows_status(void **state)
{
    (void)state;
    assert_false(status_has_content(100) || status_has_content(199));
    assert_false(status_has_content(204) || status_has_content(304));
    assert_true(status_has_content(200) && status_has_content(205) && status_has_content(404));
}

static void every_fault_has_words_and_an_answer(void **state)
{
    (void)state;
    for (int fault = 1; fault < FAULT_COUNT; fault++) {
        const struct fault_row *row = fault_row(fault);
        assert_true(row->status >= 400 && row->status <= 599);
        assert_true(row->words[0] != '\0' && row->name[0] != '\0');
        if (row->blame == BLAME_CLIENT) {
            assert_true(row->status < 500 || row->status == 501 || row->status == 505);
            assert_int_equal(row->retry, RETRY_NEVER);
        }
    }
    assert_int_equal(fault_row(FAULT_BAD_CHUNK)->status, 400);
    assert_int_equal(fault_row(FAULT_LINE_TOO_LONG)->status, 414);
    assert_string_equal(fault_row(FAULT_NO_PEER)->name, "NO_PEER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_case_sensitive),
        cmocka_unit_test(method_properties_follow_rfc_9110),
        cmocka_unit_test(reasons_are_found),
        cmocka_unit_test(content_follows_status),
        cmocka_unit_test(every_fault_has_words_and_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
