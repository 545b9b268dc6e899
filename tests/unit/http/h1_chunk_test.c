// SPDX-License-Identifier: MIT
/* h1_chunk: what it reads, what it refuses, and that no cut between two bytes changes either. */
#include "base/unit.h"

#include <string.h>

#include "http/h1_chunk.h"

struct outcome {
    enum h1_chunk_result result;         /* LAST, BAD, or MORE at the end of the input */
    size_t               used;
    char                 content[256];
    size_t               len;
};

static void take(struct outcome *outcome, const char *bytes, size_t len)
{
    assert_true(outcome->len + len <= sizeof(outcome->content));
    memcpy(outcome->content + outcome->len, bytes, len);
    outcome->len += len;
}

/* Feeds pieces of at most `step` bytes. */
static struct outcome decode(struct text body, size_t step)
{
    struct outcome  outcome = { .result = H1_CHUNK_MORE };
    struct h1_chunk chunk = { 0 };

    while (outcome.used < body.len) {
        struct text piece = text_part(body, outcome.used, step);
        size_t      content = 0;
        size_t used = h1_chunk_read(&chunk, piece.ptr, piece.len, &outcome.result, &content);
        assert_true(used <= piece.len && content <= piece.len - used);
        outcome.used += used;
        if (outcome.result == H1_CHUNK_CONTENT) {
            assert_true(content > 0);
            take(&outcome, piece.ptr + used, content);
            h1_chunk_took(&chunk, content);
            outcome.used += content;
        } else if (outcome.result != H1_CHUNK_MORE) {
            return outcome;
        }
    }
    if (outcome.result == H1_CHUNK_CONTENT)
        outcome.result = H1_CHUNK_MORE;
    return outcome;
}

static void check_all_cuts(const char *body, enum h1_chunk_result result, const char *content)
{
    for (size_t step = 1; step <= 40; step++) {
        struct outcome outcome = decode(text_from(body), step);
        CHECK_CASE(outcome.result == result, body);
        if (content != NULL)
            CHECK_CASE(text_is_equal(text_of(outcome.content, outcome.len), text_from(content)),
                       body);
    }
}

static void chunks_are_read(void **state)
{
    (void)state;
    check_all_cuts("5\r\nhello\r\n0\r\n", H1_CHUNK_LAST, "hello");
    check_all_cuts("1\r\na\r\nA\r\n0123456789\r\n000\r\n", H1_CHUNK_LAST, "a0123456789");
    check_all_cuts("0000000000000003\r\nabc\r\n0000000000000000\r\n", H1_CHUNK_LAST, "abc");
    check_all_cuts("a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n", H1_CHUNK_LAST, "0\r\n\r\n0\r\n\r\n");
    check_all_cuts("0\r\n", H1_CHUNK_LAST, "");
    check_all_cuts("5\r\nhel", H1_CHUNK_MORE, "hel");
    check_all_cuts("5", H1_CHUNK_MORE, "");
    check_all_cuts("5\r\nhello\r", H1_CHUNK_MORE, "hello");
}

static void extensions_are_dropped(void **state)
{
    (void)state;
    check_all_cuts("1;a\r\nx\r\n0;b=cd\r\n", H1_CHUNK_LAST, "x");
    check_all_cuts("1;a=\"q;\\\" \xe4\t\";b\r\nx\r\n0;c=d;e\r\n", H1_CHUNK_LAST, "x");
    check_all_cuts("1;a=\"\"\r\nx\r\n0;b=\"z\";c\r\n", H1_CHUNK_LAST, "x");
}

static void what_is_not_by_the_grammar_is_refused(void **state)
{
    static const char *const refused[] = {
        "\r\n", "\n", " 5\r\n", "5 \r\n", "5\t\r\n", "5 5\r\n", "0x5\r\n", "+5\r\n", "-1\r\n",
        "g\r\n", ";a\r\n", "5\n", "5\r5", "5\rhello", "00000000000000005\r\n",
        "ffffffffffffffff\r\n", "8000000000000000\r\n", "5;\r\n", "5;;\r\n", "5;a=\r\n", "5;a=;\r\n",
        "5;=a\r\n", "5;a\n", "5;a\r\r\n", "5;a b\r\n", "5;a \r\n", "5;a=b c\r\n", "5;a=b \r\n",
        "5;a=\"b\n\"\r\n", "5;a=\"b\r\n", "5;a=\"b\"c\r\n", "5;a=\"\\\n\"\r\n", "5;a=\"\x7f\"\r\n",
        "5;a=b\x01\r\n", "5;a\"\r\n", "5 ;a\r\n", "1\r\nab\r\n", "1\r\na\n0\r\n", "1\r\na\r0\r\n",
        "1\r\na0\r\n", "1\r\na\r\n\r\n", "5;a={\r\n", "5,\r\n",
        "5; a\r\n", "5;a =b\r\n", "5;a= b\r\n", "5;a ;b\r\n", "5;a=\"b\" ;c\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        check_all_cuts(refused[i], H1_CHUNK_BAD, NULL);
}

static void the_largest_size_is_below_2_to_63(void **state)
{
    struct h1_chunk      chunk = { 0 };
    enum h1_chunk_result result;
    size_t               content;
    static const char    line[] = "7fffffffffffffff\r\nx";

    (void)state;
    assert_int_equal(h1_chunk_read(&chunk, line, sizeof(line) - 1, &result, &content), 18);
    assert_int_equal(result, H1_CHUNK_CONTENT);
    assert_int_equal(content, 1);
    h1_chunk_took(&chunk, 1);
    assert_true(chunk.left == INT64_MAX - 1);
}

static void extensions_are_bounded_over_the_whole_body(void **state)
{
    struct h1_chunk      chunk = { 0 };
    enum h1_chunk_result result = H1_CHUNK_MORE;
    size_t               content, lines = 0;
    /* 1,024 bytes after the ";", CR included: 16 of them are 16 KB. */
    char line[1 + 1 + 1024 + 1 + 3];

    (void)state;
    memset(line, 'a', sizeof(line));
    memcpy(line, "1;", 2);
    memcpy(line + sizeof(line) - 5, "\r\nx\r\n", 5);
    while (result != H1_CHUNK_BAD && lines < 100) {
        size_t used = h1_chunk_read(&chunk, line, sizeof(line), &result, &content);
        if (result == H1_CHUNK_CONTENT) {
            h1_chunk_took(&chunk, 1);
            (void)h1_chunk_read(&chunk, line + used + 1, 2, &result, &content);
        }
        lines++;
    }
    assert_int_equal(lines, 17);
}

static void nothing_follows_the_end_or_a_mistake(void **state)
{
    struct h1_chunk      chunk = { 0 };
    enum h1_chunk_result result;
    size_t               content;

    (void)state;
    assert_int_equal(h1_chunk_read(&chunk, "0\r\nA: b\r\n\r\n", 11, &result, &content), 3);
    assert_int_equal(result, H1_CHUNK_LAST);
    assert_int_equal(h1_chunk_read(&chunk, "5\r\n", 3, &result, &content), 0);
    assert_int_equal(result, H1_CHUNK_LAST);
    chunk = (struct h1_chunk){ 0 };
    (void)h1_chunk_read(&chunk, "x", 1, &result, &content);
    (void)h1_chunk_read(&chunk, "5\r\n", 3, &result, &content);
    assert_int_equal(result, H1_CHUNK_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_read),
        cmocka_unit_test(extensions_are_dropped),
        cmocka_unit_test(what_is_not_by_the_grammar_is_refused),
        cmocka_unit_test(the_largest_size_is_below_2_to_63),
        cmocka_unit_test(extensions_are_bounded_over_the_whole_body),
        cmocka_unit_test(nothing_follows_the_end_or_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
