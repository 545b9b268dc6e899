// SPDX-License-Identifier: MIT
/* query: draft-ietf-httpbis-no-vary-search-05, sections 5 (parsing) and 6 (comparing), with the
 * examples of both. */
#include "check.h"

#include <string.h>

#include "base/writer.h"
#include "cache/query.h"

static struct text spec_of(struct arena *arena, const char *value)
{
    struct fields response;

    fields_init(&response, arena, 1);
    fields_add(&response, TEXT("no-vary-search"), text_from(value));
    return query_spec(&response, arena);
}

static struct text normal(struct arena *arena, const char *value, const char *query)
{
    struct text got = TEXT("as it stands"), spec = spec_of(arena, value);

    assert_true(spec.len >= 2);
    (void)!query_normalise(spec, text_from(query), arena, &got);
    return got;
}

struct row {
    const char *value, *wanted;
};

static void draft_5_1_what_the_field_says(void **state)
{
    static const struct row rows[] = {
        { "key-order", "~-" },             { "key-order=?1", "~-" },
        { "params", "=+" },                { "params=?1", "=+" },
        { "params=(\"a\")", "=-&a" },      { "params=(\"b\" \"a\" \"b\")", "=-&a&b" },
        { "params, except=(\"x\")", "=+&x" }, { "except=(\"x\"), params", "=+&x" },
        { "params, key-order, except=(\"x\")", "~+&x" },
        { "params, except=()", "=+" },     { "params=(\"\")", "=-&" },
        { "params=(\"a\";p=1);q, unknown=3", "=-&a" },
        { "key-order;p=?0", "~-" },        { "params=(\"a\"), params=(\"b\")", "=-&b" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_text(spec_of(*state, rows[i].value), text_from(rows[i].wanted), rows[i].value, __FILE__,
                   __LINE__);
}

static void draft_5_2_1_invalid_and_idle_fields_are_the_default(void **state)
{
    static const char *const values[] = {
        "unknown-key", "key-order=\"not a boolean\"", "params=\"not a boolean or inner list\"",
        "params=(not-a-string)", "params=(\"a\"), except=(\"x\")", "params=(), except=()",
        "params=?0, except=(\"x\")", "params, except=(not-a-string)",
        "params, except=\"not an inner list\"", "params, except=?1", "except=(\"x\")", "except=()",
        "params=?0", "params=()", "key-order=?0", "", "params=(\"a\"", "Params", "key-order, params=1",
        "key-order=1", "key-order,",
    };

    for (size_t i = 0; i < COUNT_OF(values); i++)
        CHECK_CASE(spec_of(*state, values[i]).ptr == NULL, values[i]);
}

static void draft_5_3_names_are_decoded(void **state)
{
    CHECK_TEXT(spec_of(*state, "params=(\"%C3%A9+%E6%B0%97\")"), "=-&%C3%A9%20%E6%B0%97");
    CHECK_TEXT(spec_of(*state, "params=(\"%61\" \"a\" \"%\" \"%4\" \"%2b\")"), "=-&%25&%254&%2B&a");
    CHECK_TEXT(normal(*state, "params=(\"%C3%A9+%E6%B0%97\")",
                      "\xc3\xa9 \xe6\xb0\x97=1&\xc3\xa9+\xe6\xb0\x97=2&%C3%A9%20\xe6\xb0\x97=3&"
                      "%C3%A9+%E6%B0%97=4&x=5"), "x=5");
}

static void draft_6_1_queries_are_parsed_as_forms(void **state)
{
    static const struct row rows[] = {
        { "", "" },                { "&", "" },                 { "%61=%78", "a=x" },
        { "a=\xc3\xa9", "a=%C3%A9" }, { "a=x&&&&", "a=x" },     { "a", "a=" },
        { "a=", "a=" },            { "a=%20", "a=%20" },        { "a=+", "a=%20" },
        { "a= &", "a=%20" },       { "a=b=c", "a=b%3Dc" },      { "=x", "=x" },
        { "=", "=" },              { "a=%2b", "a=%2B" },        { "a=%zz%4", "a=%25zz%254" },
        { "a=%26b", "a=%26b" },    { "a=%00", "a=%00" },        { "a=;b", "a=%3Bb" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_text(normal(*state, "key-order", rows[i].value), text_from(rows[i].wanted),
                   rows[i].value, __FILE__, __LINE__);
    CHECK_TEXT(normal(*state, "key-order", "a=%f6"), "a=%F6");
}

static void draft_6_absent_and_empty_queries_are_one(void **state)
{
    struct text got;

    assert_true(query_normalise(TEXT("=-&a"), TEXT_NONE, *state, &got));
    CHECK_TEXT(got, "");
}

static void draft_6_named_pairs_are_left_out_or_all_others(void **state)
{
    CHECK_TEXT(normal(*state, "params=(\"a\" \"c\")", "a=1&b=2&c=3&a=4&d"), "b=2&d=");
    CHECK_TEXT(normal(*state, "params, except=(\"a\" \"c\")", "a=1&b=2&c=3&a=4&d"), "a=1&c=3&a=4");
    CHECK_TEXT(normal(*state, "params", "a=1&b=2"), "");
    CHECK_TEXT(normal(*state, "params=(\"\")", "=1&b=2"), "b=2");
    CHECK_TEXT(normal(*state, "params=(\"a\")", "A=1&aa=2&%61=3"), "A=1&aa=2");
    CHECK_TEXT(normal(*state, "params=(\"=-\")", "=-=1&%3D-=2&x=3"), "=-%3D1&x=3");
}

static void draft_6_order_matters_only_within_a_name_if_so_said(void **state)
{
    CHECK_TEXT(normal(*state, "key-order", "b=2&a=2&b=1&a=1"), "a=2&a=1&b=2&b=1");
    CHECK_TEXT(normal(*state, "params=(\"x\")", "b=2&a=2&x&b=1"), "b=2&a=2&b=1");
    CHECK_TEXT(normal(*state, "key-order, params, except=(\"b\" \"a\")", "b=2&a&x"), "a=&b=2");
}

/* "n0", "n1" ... in quotes or as pairs. */
static const char *names_of(struct arena *arena, const char *before, const char *format, unsigned count,
                            const char *after)
{
    struct writer writer = writer_arena(arena, 4096);

    writer_string(&writer, before);
    for (unsigned i = 0; i < count; i++) {
        writer_string(&writer, format[0] == '"' ? (i > 0 ? " \"n" : "\"n") : (i > 0 ? "&n" : "n"));
        writer_u64(&writer, i);
        writer_string(&writer, format[0] == '"' ? "\"" : "");
    }
    writer_string(&writer, after);
    writer_char(&writer, '\0');
    return writer.ptr;
}

static void specs_and_queries_are_bounded(void **state)
{
    char        *query = arena_bytes(*state, QUERY_BYTES_MAX + 2);
    const char  *value = names_of(*state, "params=(", "\"", QUERY_NAMES_MAX, ")");
    const size_t spec_most = QUERY_SPEC_MAX - 3;
    char         line[QUERY_SPEC_MAX + 32] = "params=(\"";

    assert_non_null(spec_of(*state, value).ptr);
    assert_null(spec_of(*state, names_of(*state, "params=(", "\"", QUERY_NAMES_MAX + 1, ")")).ptr);
    memset(line + 9, 'n', spec_most);
    memcpy(line + 9 + spec_most, "\")", 3);
    assert_int_equal(spec_of(*state, line).len, QUERY_SPEC_MAX);
    memcpy(line + 9 + spec_most, "n\")", 4);
    assert_null(spec_of(*state, line).ptr);

    value = names_of(*state, "", "&", QUERY_PAIRS_MAX, "&x");
    assert_true(text_has_suffix(normal(*state, "params=(\"x\")", value), TEXT("n127=")));
    CHECK_TEXT(normal(*state, "params=(\"y\")", value), "as it stands");
    memset(query, '\xff', QUERY_BYTES_MAX);
    query[QUERY_BYTES_MAX] = '\0';
    assert_int_equal(normal(*state, "key-order", query).len, 3 * QUERY_BYTES_MAX + 1);
    memcpy(query + QUERY_BYTES_MAX, "x", 2);
    CHECK_TEXT(normal(*state, "key-order", query), "as it stands");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(draft_5_1_what_the_field_says),
        WITH_ARENA(draft_5_2_1_invalid_and_idle_fields_are_the_default),
        WITH_ARENA(draft_5_3_names_are_decoded),
        WITH_ARENA(draft_6_1_queries_are_parsed_as_forms),
        WITH_ARENA(draft_6_absent_and_empty_queries_are_one),
        WITH_ARENA(draft_6_named_pairs_are_left_out_or_all_others),
        WITH_ARENA(draft_6_order_matters_only_within_a_name_if_so_said),
        WITH_ARENA(specs_and_queries_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
