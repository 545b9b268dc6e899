// SPDX-License-Identifier: MIT
/* h1_scan_bytes: the vector form says what the scalar one says, at every offset and alignment. */
#include "base/unit.h"

#include <string.h>

#include "base/mem.h"
#include "http/h1_scan_bytes.h"

static void every_byte_is_judged_alike(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char bytes[16];
        bool is_control = (c < 0x20 && c != '\t') || c == 0x7f;
        memset(bytes, 'a', sizeof(bytes));
        bytes[11] = (char)c;
        assert_int_equal(h1_scan_bytes(bytes, 16), is_control ? 11 : 16);
        assert_int_equal(h1_scan_bytes_scalar(bytes, 16), is_control ? 11 : 16);
    }
}

static void names_and_targets_end_where_they_should(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char bytes[16];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
                        || c == '-';
        bool is_target = c > 0x20 && c != 0x7f && c != '#';
        memset(bytes, 'Z', sizeof(bytes));
        bytes[15] = (char)c;
        assert_int_equal(h1_scan_name(bytes, 16), is_plain ? 16 : 15);
        assert_int_equal(h1_scan_name_scalar(bytes, 16), is_plain ? 16 : 15);
        assert_int_equal(h1_scan_target(bytes, 16), is_target ? 16 : 15);
        assert_int_equal(h1_scan_target_scalar(bytes, 16), is_target ? 16 : 15);
        assert_int_equal(h1_scan_name(bytes, 15), 15);
        assert_int_equal(h1_scan_target(bytes, 15), 15);
    }
}

/* Each length in an allocation of its own, so that the sanitizer sees a read beyond it. */
static void every_offset_and_length_agree(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70; len++) {
        char *bytes = mem_try(len + 1);
        assert_non_null(bytes);
        memset(bytes, 0xe4, len);
        assert_int_equal(h1_scan_bytes(bytes, len), len);
        for (size_t at = len; at-- > 0;) {
            bytes[at] = '\r';
            for (size_t from = 0; from <= at; from++)
                assert_int_equal(h1_scan_bytes(bytes + from, len - from), at - from);
        }
        mem_free(bytes);
    }
}

/* Every place of the empty line, each length in an allocation of its own; near misses before it. */
static void the_empty_line_is_found_wherever_it_is(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70; len++) {
        char *bytes = mem_try(len + 1);
        assert_non_null(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = "\rx"[i % 2];
        assert_int_equal(h1_scan_empty_line(bytes, len), 0);
        for (size_t at = 0; at + 4 <= len; at++) {
            char saved[4];
            memcpy(saved, bytes + at, 4);
            memcpy(bytes + at, "\r\n\r\n", 4);
            assert_int_equal(h1_scan_empty_line(bytes, len), at + 4);
            assert_int_equal(h1_scan_empty_line_scalar(bytes, len), at + 4);
            assert_int_equal(h1_scan_empty_line(bytes, at + 3), 0);
            memcpy(bytes + at, saved, 4);
        }
        mem_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_judged_alike),
        cmocka_unit_test(names_and_targets_end_where_they_should),
        cmocka_unit_test(every_offset_and_length_agree),
        cmocka_unit_test(the_empty_line_is_found_wherever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
