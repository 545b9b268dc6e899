// SPDX-License-Identifier: MIT
/* random: in range, without bias that 100,000 numbers could show, and never the same twice. */
#include "check.h"

#include <pthread.h>

#include "base/random.h"

static void numbers_are_below_the_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(random_below(1), 0);
        assert_true(random_below(3) < 3);
        assert_true(random_below(UINT64_MAX) < UINT64_MAX);
        assert_true(random_below((UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
}

/* Each of 10 results is wanted 10,000 times; the deviation is 95, so 600 off is no accident. */
static void results_are_equally_likely(void **state)
{
    unsigned counts[10] = { 0 };

    (void)state;
    for (int i = 0; i < 100000; i++)
        counts[random_below(10)]++;
    for (int i = 0; i < 10; i++)
        if (counts[i] < 9400 || counts[i] > 10600)
            fail_msg("%d came %u times", i, counts[i]);
}

static void every_bit_is_sometimes_set(void **state)
{
    uint64_t any = 0, all = UINT64_MAX;

    (void)state;
    for (int i = 0; i < 200; i++) {
        uint64_t number = random_u64();

        any |= number;
        all &= number;
    }
    assert_true(any == UINT64_MAX);
    assert_true(all == 0);
}

static void *draw(void *argument)
{
    *(uint64_t *)argument = random_u64();
    return NULL;
}

static void threads_differ(void **state)
{
    uint64_t  numbers[2];
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, draw, &numbers[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(numbers[0] != numbers[1]);
}

static void print_number(void)
{
    (void)fprintf(stderr, "%llx", (unsigned long long)random_u64());
}

static void children_differ(void **state)
{
    char first[1024], second[1024];

    (void)state;
    (void)random_u64();
    (void)run_in_child(print_number, first, sizeof(first));
    (void)run_in_child(print_number, second, sizeof(second));
    assert_string_not_equal(first, second);
}

/* getrandom() gives at most 256 bytes at a time for certain. */
static void secrets_are_filled_to_the_end(void **state)
{
    unsigned char bytes[1001] = { 0 };
    unsigned      zeros = 0;

    (void)state;
    random_secret(bytes, 1000);
    for (int i = 0; i < 1000; i++)
        zeros += bytes[i] == 0;
    assert_true(zeros < 30);
    assert_int_equal(bytes[1000], 0);
    random_secret(bytes, 0);
}

static void ask_for_less_than_nothing(void)
{
    (void)random_below(0);
}

static void below_nothing_there_is_nothing(void **state)
{
    (void)state;
    CHECK_ABORTS(ask_for_less_than_nothing, "must(limit > 0)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_below_the_limit),
        cmocka_unit_test(results_are_equally_likely),
        cmocka_unit_test(every_bit_is_sometimes_set),
        cmocka_unit_test(threads_differ),
        cmocka_unit_test(children_differ),
        cmocka_unit_test(secrets_are_filled_to_the_end),
        cmocka_unit_test(below_nothing_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
