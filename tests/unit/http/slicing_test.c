// SPDX-License-Identifier: MIT
/* slicing: RFC 9110 14.2 (Range), 14.4 (Content-Range), 15.3.7.3 (which parts may be put together). */
#include "base/unit.h"

#include "http/slicing.h"

struct start { const char *range, *if_range; uint64_t size, first; };

static void the_first_slice_is_that_of_a_single_range(void **state)
{
    static const struct start rows[] = {
        { NULL, NULL, 10, 0 },             { "bytes=0-", NULL, 10, 0 },
        { "bytes=9-9", NULL, 10, 0 },      { "bytes=10-", NULL, 10, 10 },
        { "bytes=95-200", NULL, 10, 90 },  { "bytes=-5", NULL, 10, 0 },
        { "bytes=20-,40-", NULL, 10, 0 },  { "items=20-", NULL, 10, 0 },
        { "bytes=20-10", NULL, 10, 0 },    { "bytes=20-", "\"a\"", 10, 0 },
        { "bytes=9223372036854775807-", NULL, 10, 0 },
        { "bytes=9223372036854775000-", NULL, 10, 9223372036854775000 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fields request;

        fields_init(&request, *state, 2);
        if (rows[i].range != NULL)
            fields_add(&request, TEXT("Range"), text_from(rows[i].range));
        if (rows[i].if_range != NULL)
            fields_add(&request, TEXT("If-Range"), text_from(rows[i].if_range));
        CHECK_CASE(slicing_start(&request, rows[i].size) == rows[i].first,
                   rows[i].range != NULL ? rows[i].range : "no Range");
    }
}

static void a_slice_is_written_and_read(void **state)
{
    struct writer     writer = writer_arena(*state, 64);
    struct range_part part;

    slicing_write(&writer, (struct range_part){ .first = 1048576, .len = 1048576 });
    CHECK_TEXT(writer_done(&writer), "bytes=1048576-2097151");
    assert_true(slicing_read(TEXT("bytes=10-19"), &part));
    assert_true(part.first == 10 && part.len == 10);
    assert_false(slicing_read(TEXT(""), &part));
    assert_false(slicing_read(TEXT("bytes="), &part));
    assert_false(slicing_read(TEXT("bytes=10-"), &part));
    assert_false(slicing_read(TEXT("bytes=10-9"), &part));
    assert_false(slicing_read(TEXT("bytes=0-18446744073709551615"), &part));
}

struct judging {
    const char      *range;
    unsigned         status;
    enum body_kind   body;
    uint64_t         length;             /* of the body */
    enum slicing_fit fit;
};

/* All of them were asked for bytes=10-19. */
static void rfc9110_14_4_an_answer_fits_what_was_asked_for(void **state)
{
    static const struct judging rows[] = {
        { "bytes 10-19/94", 206, BODY_SIZED, 10, SLICING_FITS },
        { "bytes 10-19/94", 206, BODY_CHUNKED, 0, SLICING_FITS },
        { "bytes 10-13/14", 206, BODY_SIZED, 4, SLICING_FITS },
        { "bytes 10-19/20", 206, BODY_SIZED, 10, SLICING_FITS },
        { "bytes 10-19/94", 200, BODY_SIZED, 10, SLICING_STATUS },
        { "bytes */94", 416, BODY_SIZED, 0, SLICING_STATUS },
        { NULL, 206, BODY_SIZED, 10, SLICING_INVALID },
        { "bytes 19-10/94", 206, BODY_SIZED, 10, SLICING_INVALID },
        { "bytes */94", 206, BODY_SIZED, 10, SLICING_INVALID },
        { "items 10-19/94", 206, BODY_SIZED, 10, SLICING_INVALID },
        { "bytes 10-19/*", 206, BODY_SIZED, 10, SLICING_LENGTH_UNKNOWN },
        { "bytes 0-9/94", 206, BODY_SIZED, 10, SLICING_UNEXPECTED },
        { "bytes 0-4/5", 206, BODY_SIZED, 5, SLICING_UNEXPECTED },
        { "bytes 10-18/94", 206, BODY_SIZED, 9, SLICING_UNEXPECTED },
        { "bytes 10-20/94", 206, BODY_SIZED, 11, SLICING_UNEXPECTED },
        { "bytes 10-19/94", 206, BODY_SIZED, 9, SLICING_UNEXPECTED },
    };
    struct range_part asked = { .first = 10, .len = 10 };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct head head = { .status = rows[i].status, .body = rows[i].body,
                             .length = rows[i].length };
        uint64_t    length = 0;

        fields_init(&head.fields, *state, 1);
        if (rows[i].range != NULL)
            fields_add(&head.fields, TEXT("Content-Range"), text_from(rows[i].range));
        CHECK_CASE(slicing_judge(&head, asked, &length) == rows[i].fit,
                   rows[i].range != NULL ? rows[i].range : "no Content-Range");
        CHECK_CASE((length > 0) == (rows[i].fit == SLICING_FITS), rows[i].range);
    }
}

static struct fields *fields_with(struct arena *arena, const char *tag, const char *modified)
{
    struct fields *fields = ARENA_NEW(arena, struct fields);

    fields_init(fields, arena, 2);
    if (tag != NULL)
        fields_add(fields, TEXT("ETag"), text_from(tag));
    if (modified != NULL)
        fields_add(fields, TEXT("Last-Modified"), text_from(modified));
    return fields;
}

static void rfc9110_15_3_7_3_versions_are_told_apart(void **state)
{
    static const char *const then = "Thu, 01 Jan 2015 00:00:00 GMT",
                            *const later = "Thu, 01 Jan 2015 00:00:01 GMT";
    const struct {
        const char *tag, *modified, *other_tag, *other_modified;
        bool        is_one;
    } rows[] = {
        { "\"a\"", NULL, "\"a\"", NULL, true },      { "\"a\"", NULL, "\"b\"", NULL, false },
        { "\"a\"", NULL, NULL, NULL, false },        { NULL, NULL, "\"a\"", NULL, false },
        { "\"a\"", then, "\"a\"", later, true },     { "\"a\"", then, "\"b\"", then, false },
        { NULL, then, NULL, then, true },            { NULL, then, NULL, later, false },
        { NULL, then, NULL, NULL, false },           { NULL, NULL, NULL, NULL, true },
        { "W/\"a\"", NULL, "W/\"a\"", NULL, true },  { "W/\"a\"", NULL, "\"a\"", NULL, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fields *first = fields_with(*state, rows[i].tag, rows[i].modified),
                      *other = fields_with(*state, rows[i].other_tag, rows[i].other_modified);

        if (slicing_is_one_version(first, other) != rows[i].is_one)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(the_first_slice_is_that_of_a_single_range),
        WITH_ARENA(a_slice_is_written_and_read),
        WITH_ARENA(rfc9110_14_4_an_answer_fits_what_was_asked_for),
        WITH_ARENA(rfc9110_15_3_7_3_versions_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
