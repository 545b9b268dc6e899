// SPDX-License-Identifier: MIT
/* mem: what cannot fail has a reserve and then aborts, what may fail says so. */
#include "check.h"

#include "base/mem.h"
#include "base/shortage.h"

static void new_memory_is_zeroed(void **state)
{
    (void)state;
    for (size_t size = 0; size < 3000; size += 119) {
        unsigned char *memory = mem_new(size);

        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xee, size);
        mem_free(memory);
    }
    mem_free(NULL);
}

/* The sanitizers' own malloc would end the process instead of saying that it has nothing. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Called before ThreadSanitizer can take a call. */
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Hidden from the compiler, which warns of sizes that nothing has. */
static volatile size_t huge = SIZE_MAX / 2;

static void ask_new_for_too_much(void)
{
    mem_free(mem_new(huge));
}

static void ask_resize_for_too_much(void)
{
    mem_free(mem_resize(NULL, huge));
}

static void what_cannot_fail_aborts(void **state)
{
    (void)state;
    CHECK_ABORTS(ask_new_for_too_much, "must(memory != NULL)");
    CHECK_ABORTS(ask_resize_for_too_much, "must(resized != NULL)");
}

static void trying_may_give_nothing(void **state)
{
    void *memory = mem_try(0);

    (void)state;
    assert_non_null(memory);
    mem_free(memory);
    assert_null(mem_try(huge));
}

static void resizing_keeps_the_bytes(void **state)
{
    char *memory = mem_resize(NULL, 4);

    (void)state;
    memcpy(memory, "abcd", 4);
    memory = mem_resize(memory, 100000);
    assert_memory_equal(memory, "abcd", 4);
    memory = mem_resize(memory, 2);
    assert_memory_equal(memory, "ab", 2);
    MEM_FREE(&memory);
    assert_null(memory);
}

static void strings_end_in_nul(void **state)
{
    char *string = mem_string("abcdef", 3), *empty = mem_string(NULL, 0);

    (void)state;
    assert_string_equal(string, "abc");
    assert_string_equal(empty, "");
    mem_free(string);
    mem_free(empty);
}

/* gcc alone says so plainly; a clang build leaves these out, as their malloc is not the system's. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define HAS_THE_SYSTEMS_MALLOC

enum { PIECE_BYTES = 100 * 1000, PIECES_MOST = 1000 };

/* Takes all that may be had, with nothing to lose; returns how many pieces that is. */
static unsigned fill_up(void)
{
    const struct rlimit limit = { .rlim_cur = 64 << 20, .rlim_max = 64 << 20 };
    unsigned            count = 0;

    if (setrlimit(RLIMIT_DATA, &limit) < 0)
        return 0;
    while (count < PIECES_MOST && malloc(PIECE_BYTES) != NULL)
        count++;
    return count;
}

static void spend_the_reserve(void)
{
    unsigned pieces = 0;

    must(mem_reserve());
    must(fill_up() > 0 && shortage_now() == 0);
    must(mem_try(PIECE_BYTES) == NULL && shortage_now() == SHORTAGE_SYSTEM);
    while (pieces < 5) {
        (void)mem_resize(NULL, PIECE_BYTES);
        pieces++;
    }
    must(mem_failures() == 2);   /* the reserve was enough for all five */
    must(!mem_reserve());
    (void)fprintf(stderr, "%u pieces from the reserve", pieces);
}

static void the_reserve_helps_once(void **state)
{
    char said[1024];

    (void)state;
    assert_int_equal(run_in_child(spend_the_reserve, said, sizeof(said)), 0);
    assert_string_equal(said, "5 pieces from the reserve");
}

static void ask_without_reserve(void)
{
    must(fill_up() > 0);
    for (;;)
        (void)mem_new(PIECE_BYTES);
}

static void without_it_the_process_ends(void **state)
{
    (void)state;
    CHECK_ABORTS(ask_without_reserve, "must(memory != NULL)");
}

/* What malloc has of its own and cannot give back will do, when the system has none. */
static void reserve_what_was_freed(void)
{
    enum { KEPT = 20 };
    void *kept[KEPT];

    must(mem_reserve());
    for (int i = 0; i < KEPT; i++)
        kept[i] = malloc(PIECE_BYTES);
    must(fill_up() > 0);
    (void)mem_resize(NULL, PIECE_BYTES);
    while (malloc(PIECE_BYTES) != NULL)
        continue;
    must(!mem_reserve());
    for (int i = 0; i < KEPT; i++)
        free(kept[i]);
    must(mem_reserve());
}

static void the_reserve_is_taken_again(void **state)
{
    char said[1024];

    (void)state;
    assert_int_equal(run_in_child(reserve_what_was_freed, said, sizeof(said)), 0);
    assert_string_equal(said, "");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef HAS_THE_SYSTEMS_MALLOC
        cmocka_unit_test(the_reserve_helps_once),
        cmocka_unit_test(without_it_the_process_ends),
        cmocka_unit_test(the_reserve_is_taken_again),
#endif
        cmocka_unit_test(new_memory_is_zeroed),
        cmocka_unit_test(what_cannot_fail_aborts),
        cmocka_unit_test(trying_may_give_nothing),
        cmocka_unit_test(resizing_keeps_the_bytes),
        cmocka_unit_test(strings_end_in_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
