// SPDX-License-Identifier: MIT
/* text: comparing, finding, cutting and numbers, on both sides of each limit. */
#include "check.h"

#include <errno.h>
#include <strings.h>

#include "base/text.h"

static void nothing_is_the_empty_text(void **state)
{
    (void)state;
    assert_int_equal(text_from(NULL).len, 0);
    assert_null(text_from(NULL).ptr);
    assert_true(text_is_equal(TEXT_NONE, TEXT("")));
    assert_true(text_is_equal_nocase(TEXT_NONE, TEXT("")));
    assert_int_equal(text_compare(TEXT_NONE, TEXT("")), 0);
    assert_true(text_has_prefix(TEXT_NONE, TEXT_NONE));
    assert_int_equal(text_find(TEXT_NONE, 'x'), 0);
    assert_int_equal(text_find_last(TEXT_NONE, 'x'), 0);
    assert_int_equal(text_find_text(TEXT_NONE, TEXT("x")), 0);
    assert_int_equal(text_part(TEXT_NONE, 5, 5).len, 0);
    assert_int_equal(text_trim(TEXT_NONE).len, 0);
}

static void equality_without_case_agrees_with_the_c_library(void **state)
{
    char a[40], b[40];

    (void)state;
    srand(1);
    for (int round = 0; round < 50000; round++) {
        size_t len = (size_t)rand() % sizeof(a);
        bool   wanted;

        for (size_t i = 0; i < len; i++) {
            a[i] = (char)(1 + rand() % 255);
            b[i] = rand() % 2 ? a[i] : (char)(a[i] ^ 0x20);
            if (b[i] == 0)
                b[i] = a[i];
        }
        if (len > 0 && rand() % 2)
            memcpy(b, a, len - 1);
        wanted = len == 0 || strncasecmp(a, b, len) == 0;
        if (text_is_equal_nocase(text_of(a, len), text_of(b, len)) != wanted)
            fail_msg("\"%.*s\" and \"%.*s\": wanted %d", (int)len, a, (int)len, b, wanted);
        assert_int_equal(text_compare_nocase(text_of(a, len), text_of(b, len)) == 0, wanted);
    }
    assert_false(text_is_equal_nocase(TEXT("abcdefgh"), TEXT("abcdefg")));
}

static void only_capital_letters_are_lowered(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        unsigned char wanted = (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        uint64_t      eight = 0x0101010101010101u * c;

        assert_int_equal((unsigned char)text_lower_char((char)c), wanted);
        assert_true(text_lower_eight(eight) == 0x0101010101010101u * wanted);
    }
    assert_true(text_lower_eight(0x41ff5a5b40417a00u) == 0x61ff7a5b40617a00u);
}

static void order_is_by_bytes_then_length(void **state)
{
    (void)state;
    assert_true(text_compare(TEXT("a"), TEXT("b")) < 0);
    assert_true(text_compare(TEXT("a\xff"), TEXT("ab")) > 0);
    assert_true(text_compare(TEXT("a"), TEXT("ab")) < 0);
    assert_true(text_compare(TEXT("ab"), TEXT("a")) > 0);
    assert_true(text_compare(TEXT("B"), TEXT("a")) < 0);
    assert_true(text_compare_nocase(TEXT("B"), TEXT("a")) > 0);
    assert_true(text_compare_nocase(TEXT("aB"), TEXT("Ab")) == 0);
    assert_true(text_compare_nocase(TEXT("aB"), TEXT("Abc")) < 0);
}

static void prefixes_and_suffixes(void **state)
{
    (void)state;
    assert_true(text_has_prefix(TEXT("abc"), TEXT("ab")));
    assert_true(text_has_prefix(TEXT("abc"), TEXT("")));
    assert_false(text_has_prefix(TEXT("abc"), TEXT("aB")));
    assert_false(text_has_prefix(TEXT("ab"), TEXT("abc")));
    assert_true(text_has_prefix_nocase(TEXT("abc"), TEXT("AB")));
    assert_true(text_has_suffix(TEXT("abc"), TEXT("bc")));
    assert_false(text_has_suffix(TEXT("abc"), TEXT("ab")));
    assert_false(text_has_suffix(TEXT("bc"), TEXT("abc")));
    assert_true(text_has_suffix_nocase(TEXT("abC"), TEXT("Bc")));
}

static void finding_gives_the_length_when_there_is_none(void **state)
{
    (void)state;
    assert_int_equal(text_find(TEXT("abcabc"), 'b'), 1);
    assert_int_equal(text_find_last(TEXT("abcabc"), 'b'), 4);
    assert_int_equal(text_find(TEXT("abcabc"), 'x'), 6);
    assert_int_equal(text_find_last(TEXT("abcabc"), 'x'), 6);
    assert_int_equal(text_find(TEXT("a\0b"), 'b'), 2);
    assert_int_equal(text_find_text(TEXT("abcabc"), TEXT("ca")), 2);
    assert_int_equal(text_find_text(TEXT("abcabc"), TEXT("cb")), 6);
    assert_int_equal(text_find_text(TEXT("abcabc"), TEXT("")), 0);
}

static void parts_are_clamped(void **state)
{
    (void)state;
    CHECK_TEXT(text_part(TEXT("abcdef"), 2, 3), "cde");
    CHECK_TEXT(text_part(TEXT("abcdef"), 4, SIZE_MAX), "ef");
    CHECK_TEXT(text_part(TEXT("abcdef"), SIZE_MAX, 1), "");
    CHECK_TEXT(text_from_offset(TEXT("abcdef"), 5), "f");
    CHECK_TEXT(text_from_offset(TEXT("abcdef"), 6), "");
}

static void only_space_and_tab_are_trimmed(void **state)
{
    (void)state;
    CHECK_TEXT(text_trim(TEXT(" \t a b\t ")), "a b");
    CHECK_TEXT(text_trim(TEXT(" \t ")), "");
    CHECK_TEXT(text_trim(TEXT("\na\r")), "\na\r");
}

static void splitting_gives_every_piece(void **state)
{
    static const struct {
        const char *whole, *pieces;
    } cases[] = {
        { "a,,b", "<a><><b>" }, { "", "<>" }, { ",", "<><>" }, { "a", "<a>" }, { "a,", "<a><>" },
        { ",a", "<><a>" },      { "ab,c", "<ab><c>" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text rest = text_from(cases[i].whole), piece;
        char        got[64] = "";
        size_t      at = 0;

        while (text_split(&rest, ',', &piece))
            at += (size_t)snprintf(got + at, sizeof(got) - at, "<%.*s>", TEXT_ARGS(piece));
        CHECK_TEXT(text_from(got), cases[i].pieces);
    }
    assert_false(text_split(&(struct text){ .ptr = NULL }, ',', &(struct text){ .ptr = NULL }));
}

static void numbers_have_digits_only(void **state)
{
    static const struct {
        const char *text;
        int         result;
        uint64_t    number;
    } cases[] = {
        { "0", 0, 0 },         { "007", 0, 7 },         { "18446744073709551615", 0, UINT64_MAX },
        { "", -EINVAL, 0 },    { "-1", -EINVAL, 0 },    { "18446744073709551616", -ERANGE, 0 },
        { "+1", -EINVAL, 0 },  { " 1", -EINVAL, 0 },    { "99999999999999999999", -ERANGE, 0 },
        { "1 ", -EINVAL, 0 },  { "0x1", -EINVAL, 0 },   { "1:", -EINVAL, 0 },
        { "1/", -EINVAL, 0 },  { "1\xb1", -EINVAL, 0 }, { "184467440737095516150", -ERANGE, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t number = 4711;
        int      result = text_to_u64(text_from(cases[i].text), &number);

        if (result != cases[i].result || (result == 0 && number != cases[i].number))
            fail_msg("\"%s\": %d, %llu", cases[i].text, result, (unsigned long long)number);
        if (result != 0)
            assert_int_equal(number, 4711);
    }
}

static void hexadecimal_numbers_have_at_most_sixteen_digits(void **state)
{
    static const struct {
        const char *text;
        int         result;
        uint64_t    number;
    } cases[] = {
        { "0", 0, 0 },        { "fF", 0, 255 },      { "ffffffffffffffff", 0, UINT64_MAX },
        { "", -EINVAL, 0 },   { "g", -EINVAL, 0 },   { "00000000000000001", -ERANGE, 0 },
        { "0x1", -EINVAL, 0}, { "1\t", -EINVAL, 0 }, { "0000000000000001", 0, 1 },
        { "@", -EINVAL, 0 },  { "`", -EINVAL, 0 },   { "-1", -EINVAL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t number = 4711;
        int      result = text_to_u64_hex(text_from(cases[i].text), &number);

        if (result != cases[i].result || number != (result == 0 ? cases[i].number : 4711))
            fail_msg("\"%s\": %d, %llu", cases[i].text, result, (unsigned long long)number);
    }
    for (int c = 0; c < 256; c++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF", *at = strchr(digits, c);

        assert_int_equal(text_hex_digit((char)c), c == 0 || at == NULL ? -1 : (at - digits) % 16);
    }
}

static void distances_stop_at_the_limit(void **state)
{
    char long_text[65];

    (void)state;
    assert_int_equal(text_distance(TEXT("proxy_pass"), TEXT("proxy_pass"), 2), 0);
    assert_int_equal(text_distance(TEXT("proxy_pas"), TEXT("PROXY_pass"), 2), 1);
    assert_int_equal(text_distance(TEXT("porxy_pass"), TEXT("proxy_pass"), 2), 2);
    assert_int_equal(text_distance(TEXT("kitten"), TEXT("sitting"), 5), 3);
    assert_int_equal(text_distance(TEXT("kitten"), TEXT("sitting"), 2), 3);
    assert_int_equal(text_distance(TEXT("kitten"), TEXT("sitting"), 1), 2);
    assert_int_equal(text_distance(TEXT(""), TEXT("abc"), 9), 3);
    assert_int_equal(text_distance(TEXT_NONE, TEXT_NONE, 1), 0);
    memset(long_text, 'x', sizeof(long_text));
    assert_int_equal(text_distance(text_of(long_text, 64), text_of(long_text, 64), 2), 0);
    assert_int_equal(text_distance(text_of(long_text, 65), text_of(long_text, 65), 2), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_the_empty_text),
        cmocka_unit_test(equality_without_case_agrees_with_the_c_library),
        cmocka_unit_test(only_capital_letters_are_lowered),
        cmocka_unit_test(order_is_by_bytes_then_length),
        cmocka_unit_test(prefixes_and_suffixes),
        cmocka_unit_test(finding_gives_the_length_when_there_is_none),
        cmocka_unit_test(parts_are_clamped),
        cmocka_unit_test(only_space_and_tab_are_trimmed),
        cmocka_unit_test(splitting_gives_every_piece),
        cmocka_unit_test(numbers_have_digits_only),
        cmocka_unit_test(hexadecimal_numbers_have_at_most_sixteen_digits),
        cmocka_unit_test(distances_stop_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
