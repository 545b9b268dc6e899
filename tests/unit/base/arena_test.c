// SPDX-License-Identifier: MIT
/* arena: pieces that don't overlap, whatever their sizes, and one death. */
#include "check.h"

#include <pthread.h>

#include "base/arena.h"
#include "base/pool.h"

enum { PAGE_BYTES = 4096 };

static int drain(void **state)
{
    (void)state;
    pools_drain();
    return 0;
}

static void an_arena_is_one_page_at_first(void **state)
{
    struct arena *arena = arena_new();

    (void)state;
    assert_int_equal(arena_size(arena), PAGE_BYTES);
    (void)arena_get(arena, 3 * 1024);
    assert_int_equal(arena_size(arena), PAGE_BYTES);
    arena_free(&arena);
    assert_null(arena);
    arena_free(&arena);
}

/* Every piece keeps its own bytes while others of all sizes are made and filled. */
static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    enum { PIECES = 400 };
    struct arena  *arena = arena_new();
    unsigned char *pieces[PIECES];
    size_t         sizes[PIECES];

    (void)state;
    for (size_t i = 0; i < PIECES; i++) {
        bool is_object = i % 3 != 0;

        sizes[i] = i * i * 7 % (i % 10 == 0 ? 9000 : 700);
        pieces[i] = is_object ? arena_get(arena, sizes[i])
                              : (unsigned char *)arena_bytes(arena, sizes[i]);
        assert_int_equal(is_object ? (uintptr_t)pieces[i] % 16 : 0, 0);
        for (size_t j = 0; is_object && j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], 0);
        memset(pieces[i], (int)i & 0xff, sizes[i]);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], i & 0xff);
    arena_free(&arena);
}

/* Recycled pages are dirty; arena_get() must not show it. */
static void recycled_pages_are_zeroed(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct arena *arena = arena_new();

        for (int i = 0; i < 20; i++) {
            unsigned char *piece = arena_get(arena, 900);

            for (int j = 0; j < 900; j++)
                assert_int_equal(piece[j], 0);
            memset(piece, 0xee, 900);
        }
        arena_free(&arena);
    }
}

static void a_large_piece_leaves_the_page_in_use(void **state)
{
    struct arena *arena = arena_new();
    char         *before = arena_bytes(arena, 10), *large, *after;

    (void)state;
    large = arena_bytes(arena, 100000);
    memset(large, 'x', 100000);
    after = arena_bytes(arena, 10);
    assert_ptr_equal(after, before + 10);
    assert_true(arena_size(arena) >= PAGE_BYTES + 100000);
    assert_true(arena_size(arena) < PAGE_BYTES + 100000 + 100);
    arena_free(&arena);
}

static void sizes_around_a_page_are_whole(void **state)
{
    (void)state;
    for (size_t size = 1000; size < 1050; size++) {
        struct arena *arena = arena_new();

        memset(arena_bytes(arena, PAGE_BYTES - size), 'a', PAGE_BYTES - size);
        memset(arena_get(arena, size), 'b', size);
        memset(arena_get(arena, PAGE_BYTES - 16), 'c', PAGE_BYTES - 16);
        memset(arena_get(arena, PAGE_BYTES - 17), 'd', PAGE_BYTES - 17);
        memset(arena_get(arena, PAGE_BYTES), 'e', PAGE_BYTES);
        arena_free(&arena);
    }
}

static void copies_and_formats(void **state)
{
    struct arena *arena = arena_new();
    struct text   text = arena_copy(arena, TEXT("a\0b")), long_text;
    char          wide[6000];

    (void)state;
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.ptr, "a\0b", 3);
    assert_int_equal(arena_copy(arena, TEXT_NONE).len, 0);
    assert_string_equal(arena_string(arena, text_of("abcdef", 3)), "abc");
    assert_string_equal(arena_string(arena, TEXT_NONE), "");
    text = arena_format(arena, "%s-%d", "x", 7);
    CHECK_TEXT(text, "x-7");
    assert_int_equal(text.ptr[3], 0);
    memset(wide, 'w', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    long_text = arena_format(arena, "<%s>", wide);
    assert_int_equal(long_text.len, sizeof(wide) + 1);
    assert_int_equal(long_text.ptr[long_text.len - 1], '>');
    arena_free(&arena);
}

static void growing_is_in_place_when_it_can(void **state)
{
    struct arena *arena = arena_new();
    char         *bytes = arena_bytes(arena, 10), *grown;

    (void)state;
    memcpy(bytes, "0123456789", 10);
    assert_ptr_equal(arena_grow(arena, bytes, 10, 500), bytes);
    assert_ptr_equal(arena_grow(arena, bytes, 500, 20), bytes);
    assert_ptr_equal(arena_bytes(arena, 1), bytes + 20);
    grown = arena_grow(arena, bytes, 20, 5000);
    assert_ptr_not_equal(grown, bytes);
    assert_memory_equal(grown, "0123456789", 10);
    memset(grown, 'x', 5000);
    assert_memory_equal(bytes, "0123456789", 10);
    grown = arena_grow(arena, grown, 5000, 3);
    assert_memory_equal(grown, "xxx", 3);
    arena_free(&arena);
}

struct note {
    char  *said;
    size_t len;
};

static struct note note;

static void note_number(void *object)
{
    note.said[note.len++] = *(const char *)object;
}

static void undos_run_last_first_before_the_memory_goes(void **state)
{
    struct arena *arena = arena_new();
    char          said[8] = "";

    (void)state;
    note = (struct note){ .said = said };
    for (int i = 0; i < 4; i++) {
        char *digit = arena_get(arena, 3000);

        *digit = (char)('0' + i);
        arena_defer(arena, note_number, digit);
    }
    arena_free(&arena);
    assert_string_equal(said, "3210");
}

struct record {
    uint64_t number;
    char     name[7];
};

static void typed_things(void **state)
{
    struct arena  *arena = arena_new();
    struct record *one = ARENA_NEW(arena, struct record);
    struct record *many = ARENA_ARRAY(arena, struct record, 100);

    (void)state;
    assert_int_equal(one->number, 0);
    many[99].number = 5;
    assert_int_equal(one->number, 0);
    arena_free(&arena);
}

static struct arena *hopeless;

static void ask_for_everything(void)
{
    (void)arena_get(hopeless, SIZE_MAX);
}

static void a_size_that_wraps_aborts(void **state)
{
    (void)state;
    hopeless = arena_new();
    CHECK_ABORTS(ask_for_everything, "must(size < ");
    arena_free(&hopeless);
}

static void *churn(void *argument)
{
    for (int i = 0; i < 2000; i++) {
        struct arena *arena = arena_new();

        for (int j = 0; j < i % 12; j++)
            memset(arena_get(arena, 800), j, 800);
        arena_free(&arena);
    }
    pools_drain();
    return argument;
}

/* Made on one thread, filled and freed on another, as a snapshot is. */
static void *finish(void *argument)
{
    struct arena *arena = argument;

    memset(arena_get(arena, 3000), 'x', 3000);
    arena_free(&arena);
    return churn(NULL);
}

static void threads_have_pages_of_their_own(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct arena *arena = arena_new();

        (void)arena_copy(arena, TEXT("made elsewhere"));
        assert_int_equal(pthread_create(&threads[i], NULL, finish, arena), 0);
    }
    (void)churn(NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_is_one_page_at_first),
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(recycled_pages_are_zeroed),
        cmocka_unit_test(a_large_piece_leaves_the_page_in_use),
        cmocka_unit_test(sizes_around_a_page_are_whole),
        cmocka_unit_test(copies_and_formats),
        cmocka_unit_test(growing_is_in_place_when_it_can),
        cmocka_unit_test(undos_run_last_first_before_the_memory_goes),
        cmocka_unit_test(typed_things),
        cmocka_unit_test(a_size_that_wraps_aborts),
        cmocka_unit_test(threads_have_pages_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, drain);
}
