// SPDX-License-Identifier: MIT
/* mem: what cannot fail aborts, what may fail says so. */
#include "check.h"

#include "base/mem.h"

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

#ifdef FRONTDESK_DEBUG
static void try_four_times(void)
{
    for (int i = 0; i < 4; i++) {
        void *memory = mem_try(1);

        (void)fprintf(stderr, "%c", memory != NULL ? '+' : '-');
        mem_free(memory);
    }
}

static void try_with_a_failure(void)
{
    (void)setenv("FAIL_NTH_ALLOC", "3", 1);
    try_four_times();
}

static void the_nth_try_fails_when_asked(void **state)
{
    char said[1024];

    (void)state;
    assert_int_equal(run_in_child(try_with_a_failure, said, sizeof(said)), 0);
    assert_string_equal(said, "++-+");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef FRONTDESK_DEBUG
        cmocka_unit_test(the_nth_try_fails_when_asked),
#endif
        cmocka_unit_test(new_memory_is_zeroed),
        cmocka_unit_test(what_cannot_fail_aborts),
        cmocka_unit_test(trying_may_give_nothing),
        cmocka_unit_test(resizing_keeps_the_bytes),
        cmocka_unit_test(strings_end_in_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
