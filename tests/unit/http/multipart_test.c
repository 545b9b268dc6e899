// SPDX-License-Identifier: MIT
/* multipart: RFC 9110 14.6 and 15.3.7.2; the bytes as RFC 2046 5.1.1 frames them, and their sum. */
#include "base/unit.h"

#include <string.h>

#include "http/multipart.h"

static const struct range_set two = { .count = 2, .parts = { { 500, 500 }, { 7000, 1000 } } };

static struct multipart multipart_of(const struct range_set *set, struct text type, uint64_t length)
{
    struct multipart multipart;

    multipart_init(&multipart, set, type, length);
    memset(multipart.boundary, 'B', sizeof(multipart.boundary));
    return multipart;
}

/* All of the body but the parts' own bytes, each of which is one '#'. */
static struct text body(struct arena *arena, const struct multipart *multipart)
{
    struct writer writer = writer_arena(arena, 256);

    for (unsigned i = 0; i < multipart->set->count; i++) {
        multipart_write_head(multipart, i, &writer);
        writer_char(&writer, '#');
    }
    multipart_write_end(multipart, &writer);
    return writer_done(&writer);
}

#define B "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static void rfc9110_14_6_each_part_has_its_type_and_range(void **state)
{
    struct multipart multipart = multipart_of(&two, TEXT("application/pdf"), 8000);
    char             buffer[100];
    struct writer    writer = writer_fixed(buffer, sizeof(buffer));

    CHECK_TEXT(body(*state, &multipart),
               "--" B "\r\nContent-Type: application/pdf\r\nContent-Range: bytes 500-999/8000\r\n\r\n#"
               "\r\n--" B "\r\nContent-Type: application/pdf\r\n"
               "Content-Range: bytes 7000-7999/8000\r\n\r\n#"
               "\r\n--" B "--\r\n");
    multipart_write_type(&multipart, &writer);
    CHECK_TEXT(writer_done(&writer), "multipart/byteranges; boundary=" B);
}

static void without_a_type_the_parts_name_none(void **state)
{
    struct multipart multipart = multipart_of(&two, TEXT_NONE, 8000);

    CHECK_TEXT(body(*state, &multipart),
               "--" B "\r\nContent-Range: bytes 500-999/8000\r\n\r\n#"
               "\r\n--" B "\r\nContent-Range: bytes 7000-7999/8000\r\n\r\n#"
               "\r\n--" B "--\r\n");
}

static void the_total_is_what_is_written(void **state)
{
    static const struct range_set sets[] = {
        { .count = 1, .parts = { { 0, 1 } } },
        { .count = 2, .parts = { { 9, 1 }, { 99, 2 } } },
        { .count = 3, .parts = { { 0, 10 }, { 1000000000000, 1 }, { 99, 900 } } },
    };
    static const char *const types[] = { "", "a/b", "text/html; charset=utf-8" };

    for (size_t i = 0; i < COUNT_OF(sets); i++)
        for (size_t k = 0; k < COUNT_OF(types); k++) {
            struct multipart multipart = multipart_of(&sets[i], text_from(types[k]), 2000000000000);
            uint64_t         total = body(*state, &multipart).len - sets[i].count;
            for (unsigned n = 0; n < sets[i].count; n++)
                total += sets[i].parts[n].len;
            assert_int_equal(multipart_total(&multipart), total);
        }
}

static void boundaries_differ(void **state)
{
    struct multipart a, b;

    (void)state;
    multipart_init(&a, &two, TEXT_NONE, 8000);
    multipart_init(&b, &two, TEXT_NONE, 8000);
    assert_memory_not_equal(a.boundary, b.boundary, MULTIPART_BOUNDARY_BYTES);
    for (size_t i = 0; i < MULTIPART_BOUNDARY_BYTES; i++)
        assert_true(text_hex_digit(a.boundary[i]) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(rfc9110_14_6_each_part_has_its_type_and_range),
        WITH_ARENA(without_a_type_the_parts_name_none),
        WITH_ARENA(the_total_is_what_is_written),
        cmocka_unit_test(boundaries_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
