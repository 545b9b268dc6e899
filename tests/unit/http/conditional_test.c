// SPDX-License-Identifier: MIT
/* conditional: RFC 9110 8.8.2.2, 13.1, 13.2, 15.4.5 and RFC 9111 4.3.2, as far as a cache answers. */
#include "base/unit.h"

#include <string.h>

#include "http/conditional.h"

#define T0 "Sun, 06 Nov 1994 08:49:37 GMT"
#define T0_OLD "Sunday, 06-Nov-94 08:49:37 GMT"
#define T1 "Sun, 06 Nov 1994 08:49:38 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
enum { T0_S = 784111777, NOW_S = 1795000000 };

/* "Name: value" lines. */
static struct fields fields_of(struct arena *arena, const char *lines)
{
    struct fields fields;
    struct text   rest = text_from(lines), line;

    fields_init(&fields, arena, 4);
    while (text_split(&rest, '\n', &line)) {
        size_t colon = text_find(line, ':');
        if (colon < line.len)
            fields_add(&fields, text_part(line, 0, colon),
                       text_trim(text_from_offset(line, colon + 1)));
    }
    return fields;
}

static struct validators stored_of(struct arena *arena, const char *lines)
{
    struct fields     fields = fields_of(arena, lines);
    struct validators validators;

    validators_of(&fields, T0_S + 10, &validators);
    return validators;
}

struct row {
    const char *request, *stored;
    enum conditional_verdict verdict;
};

static void check_rows(struct arena *arena, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct fields     request = fields_of(arena, rows[i].request);
        struct validators stored = stored_of(arena, rows[i].stored);
        CHECK_CASE(conditional_judge(METHOD_GET, &request, 200, &stored, NOW_S) ==
                   rows[i].verdict, rows[i].request);
    }
}

static void validators_are_read_only_when_well_formed_and_single(void **state)
{
    struct validators got = stored_of(*state, "ETag: \"a\"\nLast-Modified: " T0 "\nDate: " T1);

    CHECK_TEXT(got.etag, "\"a\"");
    assert_true(got.has_last_modified && got.has_date);
    assert_int_equal(got.last_modified_s, T0_S);
    assert_int_equal(got.date_s, T0_S + 1);
    got = stored_of(*state, "ETag: a\nLast-Modified: yesterday\nDate: now");
    assert_int_equal(got.etag.len, 0);
    assert_false(got.has_last_modified || got.has_date);
    assert_int_equal(got.date_s, T0_S + 10);
    got = stored_of(*state, "ETag: \"a\"\nETag: \"b\"\nLast-Modified: " T0 "\nLast-Modified: " T0);
    assert_int_equal(got.etag.len, 0);
    assert_false(got.has_last_modified);
}

static void rfc9110_8_8_2_2_a_date_is_strong_a_second_later(void **state)
{
    struct validators got = stored_of(*state, "Last-Modified: " T0 "\nDate: " T0);

    assert_false(validators_date_is_strong(&got));
    got = stored_of(*state, "Last-Modified: " T0 "\nDate: " T1);
    assert_true(validators_date_is_strong(&got));
    got = stored_of(*state, "Last-Modified: " T0);
    assert_false(validators_date_is_strong(&got));
    got = stored_of(*state, "Date: " T1);
    assert_false(validators_date_is_strong(&got));
}

static void rfc9110_13_1_2_if_none_match(void **state)
{
    static const struct row rows[] = {
        { "If-None-Match: \"a\"", "ETag: \"a\"", CONDITIONAL_NOT_MODIFIED },
        { "If-None-Match: \"b\"", "ETag: \"a\"", CONDITIONAL_SEND },
        { "If-None-Match: W/\"a\"", "ETag: \"a\"", CONDITIONAL_NOT_MODIFIED },
        { "If-None-Match: \"a\"", "ETag: W/\"a\"", CONDITIONAL_NOT_MODIFIED },
        { "If-None-Match: \"x\", \"a\" , \"y\"", "ETag: \"a\"", CONDITIONAL_NOT_MODIFIED },
        { "If-None-Match: \"x\"\nIf-None-Match: \"a\"", "ETag: \"a\"", CONDITIONAL_NOT_MODIFIED },
        { "If-None-Match: \"x\"\nIf-None-Match: \"y\"", "ETag: \"a\"", CONDITIONAL_SEND },
        { "If-None-Match: *", "ETag: \"a\"", CONDITIONAL_NOT_MODIFIED },
        { "If-None-Match: *", "", CONDITIONAL_NOT_MODIFIED },
        { "If-None-Match: \"a\"", "", CONDITIONAL_SEND },
        { "If-None-Match:", "ETag: \"a\"", CONDITIONAL_SEND },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void what_cannot_be_read_is_no_304(void **state)
{
    static const struct row rows[] = {
        { "If-None-Match: a", "ETag: a", CONDITIONAL_SEND },
        { "If-None-Match: a", "ETag: \"a\"", CONDITIONAL_SEND },
        { "If-None-Match: \"a\"", "ETag: a", CONDITIONAL_SEND },
        { "If-None-Match: \"a\", b", "ETag: \"a\"", CONDITIONAL_SEND },
        { "If-None-Match: \"a\"\nIf-None-Match: b", "ETag: \"a\"", CONDITIONAL_SEND },
        { "If-None-Match: *, \"a\"", "ETag: \"a\"", CONDITIONAL_SEND },
        { "If-None-Match: *\nIf-None-Match: \"a\"", "ETag: \"a\"", CONDITIONAL_SEND },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9110_13_1_3_if_modified_since(void **state)
{
    static const struct row rows[] = {
        { "If-Modified-Since: " T0, "Last-Modified: " T0, CONDITIONAL_NOT_MODIFIED },
        { "If-Modified-Since: " T0_OLD, "Last-Modified: " T0, CONDITIONAL_NOT_MODIFIED },
        { "If-Modified-Since: " T1, "Last-Modified: " T0, CONDITIONAL_NOT_MODIFIED },
        { "If-Modified-Since: " BEFORE, "Last-Modified: " T0, CONDITIONAL_SEND },
        { "If-Modified-Since: 784111777", "Last-Modified: " T0, CONDITIONAL_SEND },
        { "If-Modified-Since: " T0 ", " T0, "Last-Modified: " T0, CONDITIONAL_SEND },
        { "If-Modified-Since: " T0 "\nIf-Modified-Since: " T0, "Last-Modified: " T0, CONDITIONAL_SEND },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9111_4_3_2_date_stands_in_for_last_modified(void **state)
{
    static const struct row rows[] = {
        { "If-Modified-Since: " T0, "Date: " T0, CONDITIONAL_NOT_MODIFIED },
        { "If-Modified-Since: " BEFORE, "Date: " T0, CONDITIONAL_SEND },
        { "If-Modified-Since: " T1, "", CONDITIONAL_SEND },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:47 GMT", "", CONDITIONAL_NOT_MODIFIED },
        { "If-Modified-Since: " T0, "Last-Modified: " T1 "\nDate: " BEFORE, CONDITIONAL_SEND },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9110_13_2_2_if_none_match_comes_first(void **state)
{
    static const struct row rows[] = {
        { "If-None-Match: \"b\"\nIf-Modified-Since: " T0, "ETag: \"a\"\nLast-Modified: " T0,
          CONDITIONAL_SEND },
        { "If-None-Match: \"a\"\nIf-Modified-Since: " BEFORE, "ETag: \"a\"\nLast-Modified: " T0,
          CONDITIONAL_NOT_MODIFIED },
        { "If-None-Match: b\nIf-Modified-Since: " T0, "ETag: \"a\"\nLast-Modified: " T0,
          CONDITIONAL_SEND },
        { "", "ETag: \"a\"\nLast-Modified: " T0, CONDITIONAL_SEND },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9111_4_3_2_the_origins_conditions_are_forwarded(void **state)
{
    static const struct row rows[] = {
        { "If-Match: \"a\"", "ETag: \"a\"", CONDITIONAL_FORWARD },
        { "If-Match: *", "ETag: \"a\"", CONDITIONAL_FORWARD },
        { "If-Unmodified-Since: " T0, "Last-Modified: " T0, CONDITIONAL_FORWARD },
        { "If-Match: \"a\"\nIf-None-Match: \"a\"", "ETag: \"a\"", CONDITIONAL_FORWARD },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9110_13_2_1_conditions_are_for_2xx_and_get_and_head(void **state)
{
    struct fields     request = fields_of(*state, "If-None-Match: \"a\"");
    struct validators stored = stored_of(*state, "ETag: \"a\"");

    assert_int_equal(conditional_judge(METHOD_GET, &request, 404, &stored, NOW_S), CONDITIONAL_SEND);
    assert_int_equal(conditional_judge(METHOD_GET, &request, 301, &stored, NOW_S), CONDITIONAL_SEND);
    assert_int_equal(conditional_judge(METHOD_GET, &request, 299, &stored, NOW_S),
                     CONDITIONAL_NOT_MODIFIED);
    assert_int_equal(conditional_judge(METHOD_HEAD, &request, 200, &stored, NOW_S),
                     CONDITIONAL_NOT_MODIFIED);
    assert_int_equal(conditional_judge(METHOD_POST, &request, 200, &stored, NOW_S),
                     CONDITIONAL_FORWARD);
}

static void rfc9110_13_1_5_if_range(void **state)
{
    static const struct { const char *request, *stored; bool may; } rows[] = {
        { "", "", true },
        { "If-Range: \"a\"", "ETag: \"a\"", true },
        { "If-Range: \"b\"", "ETag: \"a\"", false },
        { "If-Range: W/\"a\"", "ETag: W/\"a\"", false },
        { "If-Range: \"a\"", "ETag: W/\"a\"", false },
        { "If-Range: \"a\", \"b\"", "ETag: \"a\"", false },
        { "If-Range: \"a\"\nIf-Range: \"a\"", "ETag: \"a\"", false },
        { "If-Range: a", "ETag: a", false },
        { "If-Range: *", "ETag: \"a\"", false },
        { "If-Range:", "ETag: \"a\"", false },
        { "If-Range: \"a\"", "", false },
        { "If-Range: " T0, "Last-Modified: " T0 "\nDate: " T1, true },
        { "If-Range: " T0, "Last-Modified: " T0 "\nDate: " T0, false },
        { "If-Range: " T0, "Last-Modified: " T0, false },
        { "If-Range: " T1, "Last-Modified: " T0 "\nDate: " T1, false },
        { "If-Range: " BEFORE, "Last-Modified: " T0 "\nDate: " T1, false },
        { "If-Range: " T0, "Date: " T1, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fields     request = fields_of(*state, rows[i].request);
        struct validators stored = stored_of(*state, rows[i].stored);
        CHECK_CASE(conditional_may_range(&request, &stored, NOW_S) == rows[i].may, rows[i].request);
    }
}

static void rfc9110_15_4_5_a_304_has_no_fields_of_a_body(void **state)
{
    static const struct { const char *name; bool is_in, is_in_without_etag; } rows[] = {
        { "Cache-Control", true, true },       { "Content-Location", true, true },
        { "Date", true, true },                { "ETag", true, true },
        { "Expires", true, true },             { "Vary", true, true },
        { "Last-Modified", false, true },      { "Content-Type", false, false },
        { "Content-Length", false, false },    { "Content-Encoding", false, false },
        { "content-language", false, false },  { "Content-Range", false, false },
        { "Content-Security-Policy", true, true }, { "Age", true, true },
        { "Access-Control-Allow-Origin", true, true }, { "Repr-Digest", false, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fields fields;
        fields_init(&fields, *state, 1);
        fields_add(&fields, text_from(rows[i].name), TEXT("x"));
        CHECK_CASE(conditional_is_in_304(fields.items, true) == rows[i].is_in, rows[i].name);
        CHECK_CASE(conditional_is_in_304(fields.items, false) == rows[i].is_in_without_etag,
                   rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(validators_are_read_only_when_well_formed_and_single),
        WITH_ARENA(rfc9110_8_8_2_2_a_date_is_strong_a_second_later),
        WITH_ARENA(rfc9110_13_1_2_if_none_match),
        WITH_ARENA(what_cannot_be_read_is_no_304),
        WITH_ARENA(rfc9110_13_1_3_if_modified_since),
        WITH_ARENA(rfc9111_4_3_2_date_stands_in_for_last_modified),
        WITH_ARENA(rfc9110_13_2_2_if_none_match_comes_first),
        WITH_ARENA(rfc9111_4_3_2_the_origins_conditions_are_forwarded),
        WITH_ARENA(rfc9110_13_2_1_conditions_are_for_2xx_and_get_and_head),
        WITH_ARENA(rfc9110_13_1_5_if_range),
        WITH_ARENA(rfc9110_15_4_5_a_304_has_no_fields_of_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
