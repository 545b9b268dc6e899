// SPDX-License-Identifier: MIT
/* writer: the same bytes in a buffer as in an arena, and a note when the buffer ends first. */
#include "check.h"

#include "base/pool.h"
#include "base/writer.h"

static void write_some_of_everything(struct writer *writer)
{
    writer_text(writer, TEXT("text "));
    writer_text(writer, TEXT_NONE);
    writer_string(writer, "string ");
    writer_string(writer, NULL);
    writer_char(writer, 'c');
    writer_char(writer, ' ');
    writer_u64(writer, 0);
    writer_char(writer, ' ');
    writer_u64(writer, UINT64_MAX);
    writer_char(writer, ' ');
    writer_hex(writer, 0);
    writer_char(writer, ' ');
    writer_hex(writer, UINT64_MAX - 0xf0);
    writer_format(writer, " %d|%5s|", -3, "x");
}

#define EVERYTHING "text string c 0 18446744073709551615 0 ffffffffffffff0f -3|    x|"

static void an_arena_grows(void **state)
{
    for (size_t capacity = 0; capacity < 80; capacity++) {
        struct writer writer = writer_arena(*state, capacity);

        write_some_of_everything(&writer);
        CHECK_TEXT(writer_done(&writer), EVERYTHING);
        assert_false(writer.is_cut);
    }
}

static void a_buffer_keeps_what_fits(void **state)
{
    char buffer[128];

    (void)state;
    for (size_t size = 0; size < sizeof(buffer); size++) {
        struct writer writer = writer_fixed(buffer, size);
        size_t        wanted = size < strlen(EVERYTHING) ? size : strlen(EVERYTHING);

        memset(buffer, '!', sizeof(buffer));
        write_some_of_everything(&writer);
        assert_int_equal(writer_done(&writer).len, wanted);
        assert_memory_equal(buffer, EVERYTHING, wanted);
        assert_int_equal(writer.is_cut, size < strlen(EVERYTHING));
        assert_int_equal(size < sizeof(buffer) ? buffer[size] : '!', '!');
    }
}

static void long_formats_are_whole(void **state)
{
    char          wide[3000], buffer[3100];
    struct writer writer = writer_arena(*state, 16);

    memset(wide, 'w', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    for (int i = 0; i < 3; i++)
        writer_format(&writer, "<%s>", wide);
    assert_int_equal(writer_done(&writer).len, 3 * (sizeof(wide) + 1));
    assert_int_equal(writer_done(&writer).ptr[writer.len - 1], '>');
    for (size_t size = sizeof(wide) - 1; size < sizeof(wide) + 4; size++) {
        writer = writer_fixed(buffer, size);
        writer_format(&writer, "<%s>", wide);
        assert_int_equal(writer.is_cut, size < sizeof(wide) + 1);
        assert_int_equal(writer.len, size < sizeof(wide) + 1 ? size : sizeof(wide) + 1);
    }
}

static void reserved_room_counts_when_skipped(void **state)
{
    char          buffer[8];
    struct writer fixed = writer_fixed(buffer, sizeof(buffer)), writer = writer_arena(*state, 4);
    char         *at = writer_reserve(&fixed, 8);

    memcpy(at, "abcd", 4);
    writer_skip(&fixed, 4);
    CHECK_TEXT(writer_done(&fixed), "abcd");
    assert_non_null(writer_reserve(&fixed, 4));
    assert_false(fixed.is_cut);
    assert_null(writer_reserve(&fixed, 5));
    assert_true(fixed.is_cut);

    writer_string(&writer, "abc");
    at = writer_reserve(&writer, 5000);
    memset(at, 'd', 5000);
    writer_skip(&writer, 5000);
    writer_string(&writer, "e");
    assert_int_equal(writer.len, 5004);
    assert_memory_equal(writer.ptr, "abcd", 4);
    assert_int_equal(writer.ptr[5003], 'e');
}

static void two_writers_may_grow_in_one_arena(void **state)
{
    struct writer a = writer_arena(*state, 8), b = writer_arena(*state, 8);

    for (int i = 0; i < 5000; i++) {
        writer_char(&a, (char)('a' + i % 7));
        writer_char(&b, (char)('A' + i % 11));
    }
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(a.ptr[i], 'a' + i % 7);
        assert_int_equal(b.ptr[i], 'A' + i % 11);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(an_arena_grows),
        WITH_ARENA(a_buffer_keeps_what_fits),
        WITH_ARENA(long_formats_are_whole),
        WITH_ARENA(reserved_room_counts_when_skipped),
        WITH_ARENA(two_writers_may_grow_in_one_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
