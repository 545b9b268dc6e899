// SPDX-License-Identifier: MIT
/* range: RFC 9110 14.1 (grammar), 14.2 (what may be ignored), 14.4 (Content-Range), 15.3.7, 15.5.17. */
#include "base/unit.h"

#include <errno.h>
#include <string.h>

#include "http/range.h"

/* "0+10 20+5" for the parts, "200" when ignored, "416". */
static struct text judged(struct arena *arena, enum method method, const char *value, uint64_t length)
{
    struct fields      request;
    struct range_set   set;
    struct writer      writer = writer_arena(arena, 64);
    enum range_verdict verdict;

    fields_init(&request, arena, 1);
    fields_add(&request, TEXT("Range"), text_from(value));
    verdict = range_judge(method, &request, length, &set);
    if (verdict != RANGE_PARTS)
        return verdict == RANGE_IGNORED ? TEXT("200") : TEXT("416");
    for (unsigned i = 0; i < set.count; i++)
        writer_format(&writer, "%s%llu+%llu", i > 0 ? " " : "",
                      (unsigned long long)set.parts[i].first, (unsigned long long)set.parts[i].len);
    return writer_done(&writer);
}

struct row {
    const char *value, *wanted;
};

static void check_rows(struct arena *arena, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_text(judged(arena, METHOD_GET, rows[i].value, 100), text_from(rows[i].wanted),
                   rows[i].value, __FILE__, __LINE__);
}

static void rfc9110_14_1_2_one_range(void **state)
{
    static const struct row rows[] = {
        { "bytes=0-9", "0+10" },     { "bytes=0-0", "0+1" },     { "bytes=99-99", "99+1" },
        { "bytes=90-", "90+10" },    { "bytes=0-", "0+100" },    { "bytes=90-1000", "90+10" },
        { "bytes=-5", "95+5" },      { "bytes=-100", "0+100" },  { "bytes=-101", "0+100" },
        { "BYTES=0-9", "0+10" },     { "bytes=0-9 ,", "0+10" },  { "bytes=, 0-9", "0+10" },
        { "bytes=0-99999999999999999999", "0+100" }, { "bytes=-99999999999999999999", "0+100" },
        { "bytes=00-09", "0+10" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9110_14_1_1_invalid_sets_are_ignored(void **state)
{
    static const struct row rows[] = {
        { "bytes=9-0", "200" },      { "bytes=0-9,9-0", "200" }, { "bytes=", "200" },
        { "bytes=,", "200" },        { "bytes=-", "200" },       { "bytes=a-b", "200" },
        { "bytes=1", "200" },        { "bytes=+1-2", "200" },    { "bytes=1 -2", "200" },
        { "bytes=1- 2", "200" },     { "bytes=0x1-2", "200" },   { "bytes=1-2-3", "200" },
        { "bytes 0-9", "200" },      { "bytes =0-9", "200" },    { "0-9", "200" },
        { "bytes=--5", "200" },      { "bytes=0-9;x", "200" },   { "bytes=0-9 10-19", "200" },
        { "bytes=1.0-2", "200" },    { "bytes=0-9,a", "200" },   { "", "200" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9110_14_2_unknown_units_other_methods_and_several_lines(void **state)
{
    struct fields    request;
    struct range_set set;

    CHECK_TEXT(judged(*state, METHOD_GET, "seconds=0-9", 100), "200");
    CHECK_TEXT(judged(*state, METHOD_HEAD, "bytes=0-9", 100), "200");
    CHECK_TEXT(judged(*state, METHOD_POST, "bytes=0-9", 100), "200");
    fields_init(&request, *state, 2);
    assert_int_equal(range_judge(METHOD_GET, &request, 100, &set), RANGE_IGNORED);
    fields_add(&request, TEXT("Range"), TEXT("bytes=0-9"));
    assert_int_equal(range_judge(METHOD_GET, &request, 100, &set), RANGE_PARTS);
    fields_add(&request, TEXT("Range"), TEXT("bytes=0-9"));
    assert_int_equal(range_judge(METHOD_GET, &request, 100, &set), RANGE_IGNORED);
}

static void rfc9110_15_5_17_nothing_satisfiable_is_416(void **state)
{
    static const struct row rows[] = {
        { "bytes=100-", "416" },     { "bytes=100-200", "416" }, { "bytes=-0", "416" },
        { "bytes=100-,-0", "416" },  { "bytes=99999999999999999999-", "416" },
        { "bytes=100-,0-9", "0+10" }, { "bytes=-0,0-9", "0+10" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
    CHECK_TEXT(judged(*state, METHOD_GET, "bytes=0-", 0), "416");
    CHECK_TEXT(judged(*state, METHOD_GET, "bytes=-1", 0), "200");
    CHECK_TEXT(judged(*state, METHOD_GET, "bytes=-0", 0), "416");
}

static void rfc9110_15_3_7_2_parts_keep_their_order_and_join(void **state)
{
    static const struct row rows[] = {
        { "bytes=0-9,20-29", "0+10 20+10" },
        { "bytes=20-29, 0-9", "20+10 0+10" },
        { "bytes=0-9,5-14", "0+15" },
        { "bytes=0-9,10-19", "0+20" },
        { "bytes=10-19,0-9", "0+20" },
        { "bytes=0-9,11-19", "0+10 11+9" },
        { "bytes=0-9,20-29,10-19", "0+30" },
        { "bytes=50-59,0-9,20-29,8-21", "50+10 0+30" },
        { "bytes=0-4,60-64,2-3", "0+5 60+5" },
        { "bytes=0-49,50-99", "0+100" },
        { "bytes=-1,0-0", "99+1 0+1" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

static void rfc9110_17_15_more_than_the_body_is_ignored(void **state)
{
    static const struct row rows[] = {
        { "bytes=0-,0-", "200" }, { "bytes=0-99,0-0", "200" }, { "bytes=0-98,0-0", "0+99" },
        { "bytes=0-59,40-99", "200" }, { "bytes=-100,-1", "200" },
    };

    check_rows(*state, rows, COUNT_OF(rows));
}

/* `count` ranges of one byte each, `step` apart. */
static struct text many(struct arena *arena, unsigned count, unsigned step, uint64_t length)
{
    struct writer writer = writer_arena(arena, 64);

    writer_string(&writer, "bytes=");
    for (unsigned i = 0; i < count; i++)
        writer_format(&writer, "%s%u-%u", i > 0 ? "," : "", i * step, i * step);
    writer_char(&writer, '\0');
    return judged(arena, METHOD_GET, writer.ptr, length);
}

static void parts_and_ranges_are_bounded(void **state)
{
    struct text sixteen = many(*state, RANGE_PARTS_MAX, 2, 1000);

    assert_true(text_has_suffix(sixteen, TEXT("28+1 30+1")));
    CHECK_TEXT(many(*state, RANGE_PARTS_MAX + 1, 2, 1000), "200");
    CHECK_TEXT(many(*state, RANGE_READ_MAX, 1, 1000), "0+64");
    CHECK_TEXT(many(*state, RANGE_READ_MAX + 1, 1, 1000), "200");
}

static void rfc9110_14_4_content_range_is_written(void **state)
{
    char          buffer[80];
    struct writer writer = writer_fixed(buffer, sizeof(buffer));

    (void)state;
    range_write_content_range(&writer, (struct range_part){ 0, 1 }, 1);
    CHECK_TEXT(writer_done(&writer), "bytes 0-0/1");
    writer = writer_fixed(buffer, sizeof(buffer));
    range_write_unsatisfied(&writer, 47022);
    CHECK_TEXT(writer_done(&writer), "bytes */47022");
}

static void rfc9110_14_4_content_range_is_read(void **state)
{
    struct content_range range;

    (void)state;
    assert_int_equal(content_range_parse(TEXT("bytes 42-1233/1234"), &range), 0);
    assert_true(range.has_length && !range.is_unsatisfied);
    assert_int_equal(range.part.first, 42);
    assert_int_equal(range.part.len, 1192);
    assert_int_equal(range.length, 1234);
    assert_int_equal(content_range_parse(TEXT("Bytes 0-0/*"), &range), 0);
    assert_false(range.has_length || range.is_unsatisfied);
    assert_int_equal(range.part.len, 1);
    assert_int_equal(content_range_parse(TEXT("bytes */1234"), &range), 0);
    assert_true(range.has_length && range.is_unsatisfied);
    assert_int_equal(range.length, 1234);
    assert_int_equal(content_range_parse(TEXT("bytes 0-9223372036854775806/9223372036854775807"),
                                         &range), 0);
}

static void rfc9110_14_4_invalid_content_ranges_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "bytes", "bytes ", "bytes 0-9", "bytes 0-9/", "bytes 0-9/9", "bytes 9-0/10", "bytes */*",
        "bytes -9/10", "bytes 0-/10", "bytes=0-9/10", "bytes  0-9/10", "bytes 0-9 /10", "bytes 0-9/10 ",
        "bytes 0-9/10,", "seconds 0-9/10", "bytes 0-9/x", "bytes a-9/10", "bytes 0-9/10/10",
        "bytes 0-9/99999999999999999999", "bytes 0-9223372036854775808/*", "bytes */", "bytes /10",
    };
    struct content_range range = { .length = 42 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_CASE(content_range_parse(text_from(bad[i]), &range) == -EINVAL, bad[i]);
    assert_int_equal(range.length, 42);
}

/* "2 70" for two ranges of which the later begins at 70; "s": some are suffixes; "none". */
static struct text beginnings_of(struct arena *arena, const char *value)
{
    struct fields           request;
    struct range_beginnings beginnings;

    fields_init(&request, arena, 1);
    fields_add(&request, TEXT("Range"), text_from(value));
    if (!range_beginnings(&request, &beginnings))
        return TEXT("none");
    return arena_format(arena, "%u %llu%s", beginnings.count, (unsigned long long)beginnings.last,
                        beginnings.has_suffix ? " s" : "");
}

static void beginnings_are_known_before_the_length(void **state)
{
    static const struct row rows[] = {
        { "bytes=0-9", "1 0" },         { "bytes=70-", "1 70" },        { "bytes=70-79, 5-6", "2 70" },
        { "bytes=-5", "1 0 s" },        { "bytes=7-8,-5", "2 7 s" },    { "bytes=9-0", "none" },
        { "items=0-9", "none" },        { "bytes=", "none" },           { "bytes=a-", "none" },
        { "bytes=99999999999999999999-", "1 18446744073709551615" },    { "bytes=-0", "1 0 s" },
        { "bytes=9223372036854775807-", "1 9223372036854775807" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_text(beginnings_of(*state, rows[i].value), text_from(rows[i].wanted), rows[i].value,
                   __FILE__, __LINE__);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(rfc9110_14_1_2_one_range),
        WITH_ARENA(rfc9110_14_1_1_invalid_sets_are_ignored),
        WITH_ARENA(rfc9110_14_2_unknown_units_other_methods_and_several_lines),
        WITH_ARENA(rfc9110_15_5_17_nothing_satisfiable_is_416),
        WITH_ARENA(rfc9110_15_3_7_2_parts_keep_their_order_and_join),
        WITH_ARENA(rfc9110_17_15_more_than_the_body_is_ignored),
        WITH_ARENA(parts_and_ranges_are_bounded),
        WITH_ARENA(beginnings_are_known_before_the_length),
        cmocka_unit_test(rfc9110_14_4_content_range_is_written),
        cmocka_unit_test(rfc9110_14_4_content_range_is_read),
        cmocka_unit_test(rfc9110_14_4_invalid_content_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
