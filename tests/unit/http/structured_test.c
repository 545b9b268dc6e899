// SPDX-License-Identifier: MIT
/* structured: the algorithms of RFC 9651 4.2, each on both sides of its limits. What was read is
 * written out again in a notation of this test, so that a case is a line. */
#include "base/unit.h"

#include <errno.h>
#include <string.h>

#include "http/structured.h"

static void write_node(struct writer *writer, const struct structured *node);

static void write_chain(struct writer *writer, const struct structured *node, const char *separator)
{
    for (; node != NULL; node = node->next) {
        write_node(writer, node);
        if (node->next != NULL)
            writer_string(writer, separator);
    }
}

static void write_node(struct writer *writer, const struct structured *node)
{
    static const char kinds[] = "?id\"t:@%";

    if (node->key.len > 0)
        writer_format(writer, "%.*s=", TEXT_ARGS(node->key));
    if (node->kind == STRUCTURED_INNER_LIST) {
        writer_char(writer, '(');
        write_chain(writer, node->items, " ");
        writer_char(writer, ')');
    } else {
        writer_char(writer, kinds[node->kind]);
        if (node->text.ptr != NULL)
            writer_text(writer, node->text);
        else
            writer_format(writer, "%lld", (long long)node->number);
    }
    if (node->parameters != NULL) {
        writer_string(writer, "[");
        write_chain(writer, node->parameters, ",");
        writer_string(writer, "]");
    }
}

struct reading {
    const char *field, *meaning;         /* meaning NULL: not valid */
};

static void check_readings(struct arena *arena, const struct reading *readings, size_t count,
                           int (*parse)(struct text, struct arena *, struct structured **))
{
    for (size_t i = 0; i < count; i++) {
        struct structured *first = NULL;
        struct writer      writer = writer_arena(arena, 64);
        int                error = parse(text_from(readings[i].field), arena, &first);

        if (readings[i].meaning == NULL) {
            CHECK_CASE(error == -EINVAL && first == NULL, readings[i].field);
            continue;
        }
        CHECK_CASE(error == 0, readings[i].field);
        write_chain(&writer, first, " | ");
        check_text(writer_done(&writer), text_from(readings[i].meaning), readings[i].field,
                   __FILE__, __LINE__);
    }
}

#define CHECK_READINGS(parse, readings) check_readings(*state, readings, COUNT_OF(readings), parse)

/* RFC 9651 4.2.4 */
static void numbers(void **state)
{
    static const struct reading readings[] = {
        { "0", "i0" }, { "42", "i42" }, { "-42", "i-42" }, { "007", "i7" }, { "-0", "i0" },
        { "999999999999999", "i999999999999999" }, { "1000000000000000", NULL },
        { "-999999999999999", "i-999999999999999" }, { "-", NULL }, { "--1", NULL }, { "+1", NULL },
        { "1.5", "d1500" }, { "-1.123", "d-1123" }, { "1.1234", NULL }, { "1.", NULL }, { ".5", NULL },
        { "123456789012.125", "d123456789012125" }, { "1234567890123.1", NULL }, { "1.5.1", NULL },
        { "1e3", NULL }, { "1 2", NULL },
    };

    CHECK_READINGS(structured_parse_item, readings);
}

/* RFC 9651 4.2.5, 4.2.6 */
static void strings_and_tokens(void **state)
{
    static const struct reading readings[] = {
        { "\"\"", "\"" }, { "\"a b\"", "\"a b" }, { "\"a\\\"\\\\b\"", "\"a\"\\b" }, { "\"a\\b\"", NULL },
        { "\"a", NULL }, { "\"a\\", NULL }, { "\"a\tb\"", NULL }, { "\"\x7f\"", NULL },
        { "\"\xc3\xa9\"", NULL }, { "'a'", NULL }, { "\"~ \"", "\"~ " },
        { "a", "ta" }, { "*a", "t*a" }, { "A:b/c.d!#$%&'*+-^_`|~9", "tA:b/c.d!#$%&'*+-^_`|~9" },
        { "a b", NULL }, { "a\"b\"", NULL }, { "!a", NULL }, { "a,b", NULL },
    };

    CHECK_READINGS(structured_parse_item, readings);
}

/* RFC 9651 4.2.7 to 4.2.10 */
static void bytes_booleans_dates_and_display_strings(void **state)
{
    static const struct reading readings[] = {
        { ":aGVsbG8=:", ":hello" }, { ":aGVsbG8:", ":hello" }, { ":aGVsbG9=:", ":hello" },
        { "::", ":" }, { ":aGVsbG8", NULL }, { ":a:", NULL }, { ":aGV=bG8=:", NULL }, { ":aG-_:", NULL },
        { ":aGVsbG8==:", NULL }, { ":YQ==:", ":a" }, { ":YWI:", ":ab" },
        { "?0", "?0" }, { "?1", "?1" }, { "?2", NULL }, { "?", NULL }, { "?true", NULL },
        { "@1659578233", "@1659578233" }, { "@-1", "@-1" }, { "@1.5", NULL }, { "@", NULL },
        { "%\"f%c3%bc\"", "%f\xc3\xbc" }, { "%\"\"", "%" }, { "%\"a\\b\"", "%a\\b" },
        { "%\"f%C3%BC\"", NULL }, { "%\"%c3\"", NULL }, { "%\"%c3%28\"", NULL }, { "%\"%c0%80\"", NULL },
        { "%\"%ed%a0%80\"", NULL }, { "%\"%f4%90%80%80\"", NULL }, { "%\"%f4%8f%bf%bf\"", "%\xf4\x8f\xbf\xbf" },
        { "%\"%8", NULL }, { "%\"%\"", NULL }, { "%\"a", NULL }, { "%a", NULL }, { "%\"\xc3\xbc\"", NULL },
        { "%\"%ff\"", NULL }, { "%\"%22\"", "%\"" },
    };

    CHECK_READINGS(structured_parse_item, readings);
}

/* RFC 9651 4.2 and 4.2.3.2: spaces around the whole, parameters. */
static void items_with_parameters(void **state)
{
    static const struct reading readings[] = {
        { "  a  ", "ta" }, { "\ta", NULL }, { "a\t", NULL }, { "", NULL }, { "  ", NULL },
        { "a;b", "ta[b=?1]" }, { "a;b=1;c=\"x\"", "ta[b=i1,c=\"x]" }, { "a; b", "ta[b=?1]" },
        { "a ;b", NULL }, { "a;b =1", NULL }, { "a;b= 1", NULL }, { "a;", NULL }, { "a;B", NULL },
        { "a;b=1;c;b=2", "ta[b=i2,c=?1]" }, { "a;*b", "ta[*b=?1]" }, { "a;b=(1)", NULL },
        { "a;\tb", NULL }, { "a;b=?0", "ta[b=?0]" }, { "a;1b", NULL },
    };

    CHECK_READINGS(structured_parse_item, readings);
}

/* RFC 9651 4.2.1 */
static void lists(void **state)
{
    static const struct reading readings[] = {
        { "", "" }, { "   ", "" }, { "a", "ta" }, { "a,b", "ta | tb" }, { "a \t, \t b", "ta | tb" },
        { "a,", NULL }, { "a, ", NULL }, { ",a", NULL }, { "a,,b", NULL }, { "a b", NULL },
        { "a,a", "ta | ta" }, { "a\t", "ta" }, { "()", "()" }, { "( )", "()" }, { "(a b)", "(ta tb)" },
        { "(  a   b;c  );d=1 , e", "(ta tb[c=?1])[d=i1] | te" }, { "(a\tb)", NULL }, { "(a", NULL },
        { "(a,b)", NULL }, { "((a))", NULL }, { "(a(b))", NULL }, { ")", NULL }, { "(a)b", NULL },
        { "(\"x\"\"y\")", NULL }, { "\"scripts\", \"styles\"", "\"scripts | \"styles" }, { "(", NULL },
    };

    CHECK_READINGS(structured_parse_list, readings);
}

/* RFC 9651 4.2.2; the fields of RFC 9213 and of No-Vary-Search. */
static void dictionaries(void **state)
{
    static const struct reading readings[] = {
        { "", "" }, { "a", "a=?1" }, { "a=1", "a=i1" }, { "a=1, b;x=2, c=?0", "a=i1 | b=?1[x=i2] | c=?0" },
        { "a=1,b=2,a=3", "a=i3 | b=i2" }, { "a=1;x,a", "a=?1" }, { "a=(1 2);x", "a=(i1 i2)[x=?1]" },
        { "A=1", NULL }, { "a =1", NULL }, { "a= 1", NULL }, { "a=", NULL }, { "a=1,", NULL },
        { "a=1 b=2", NULL }, { "1=a", NULL }, { "a==1", NULL }, { "_a", NULL }, { "a-b.c_d*9", "a-b.c_d*9=?1" },
        { "max-age=60, no-cache=\"Set-Cookie, Foo\", must-revalidate",
          "max-age=i60 | no-cache=\"Set-Cookie, Foo | must-revalidate=?1" },
        { "key-order, params=(\"a\" \"b c\"), except=()", "key-order=?1 | params=(\"a \"b c) | except=()" },
        { "max-age=60; max-age=70", "max-age=i60[max-age=i70]" }, { "max-age=60, no store", NULL },
    };

    CHECK_READINGS(structured_parse_dictionary, readings);
}

static void keys_are_found_by_every_byte(void **state)
{
    struct structured *first = NULL;

    assert_int_equal(structured_parse_dictionary(TEXT("a=1, ab=2, b;x"), *state, &first), 0);
    assert_int_equal(structured_find(first, TEXT("ab"))->number, 2);
    assert_int_equal(structured_find(first, TEXT("a"))->number, 1);
    assert_non_null(structured_find(structured_find(first, TEXT("b"))->parameters, TEXT("x")));
    assert_null(structured_find(first, TEXT("A")));
    assert_null(structured_find(NULL, TEXT("a")));
}

/* "BEFORE 0 AFTER,BEFORE 1 AFTER,..." without the spaces. */
static struct text many(struct arena *arena, unsigned count, const char *before, const char *after)
{
    struct writer writer = writer_arena(arena, 16);

    for (unsigned i = 0; i < count; i++)
        writer_format(&writer, "%s%s%u%s", i > 0 ? "," : "", before, i, after);
    return writer_done(&writer);
}

/* RFC 9651 3.1, 3.2: at least 1024 members; we stop at 1280 nodes. */
static void the_number_of_nodes_is_bounded(void **state)
{
    struct structured *first = NULL;

    assert_int_equal(structured_parse_list(many(*state, 1280, "", ""), *state, &first), 0);
    assert_int_equal(structured_parse_list(many(*state, 1281, "", ""), *state, &first), -E2BIG);
    assert_int_equal(structured_parse_dictionary(many(*state, 1280, "k", ""), *state, &first), 0);
    assert_int_equal(structured_parse_dictionary(many(*state, 1281, "k", ""), *state, &first), -E2BIG);
    assert_int_equal(structured_parse_list(many(*state, 640, "", ";a"), *state, &first), 0);
    assert_int_equal(structured_parse_list(many(*state, 641, "", ";a"), *state, &first), -E2BIG);
    assert_int_equal(structured_parse_list(many(*state, 641, "(", ")"), *state, &first), -E2BIG);
    /* A key that comes again is no new node: its number is its value here. */
    assert_int_equal(structured_parse_dictionary(many(*state, 5000, "k=", ""), *state, &first), 0);
    assert_int_equal(first->number, 4999);
}

/* RFC 9651 4.1.6, 4.1.7 */
static void strings_and_tokens_are_written(void **state)
{
    struct writer writer = writer_arena(*state, 16);

    assert_true(structured_write_string(&writer, TEXT("a \"b\" \\c~")));
    CHECK_TEXT(writer_done(&writer), "\"a \\\"b\\\" \\\\c~\"");
    assert_false(structured_write_string(&writer, TEXT("a\tb")));
    assert_false(structured_write_string(&writer, TEXT("\x7f")));
    assert_false(structured_write_string(&writer, TEXT("\xc3\xa9")));
    CHECK_TEXT(writer_done(&writer), "\"a \\\"b\\\" \\\\c~\"");
    assert_true(structured_is_token(TEXT("a:b/c")));
    assert_true(structured_is_token(TEXT("*")));
    assert_false(structured_is_token(TEXT("")));
    assert_false(structured_is_token(TEXT("1a")));
    assert_false(structured_is_token(TEXT("a b")));
    assert_false(structured_is_token(TEXT("a\"")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(numbers),
        WITH_ARENA(strings_and_tokens),
        WITH_ARENA(bytes_booleans_dates_and_display_strings),
        WITH_ARENA(items_with_parameters),
        WITH_ARENA(lists),
        WITH_ARENA(dictionaries),
        WITH_ARENA(keys_are_found_by_every_byte),
        WITH_ARENA(the_number_of_nodes_is_bounded),
        WITH_ARENA(strings_and_tokens_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
