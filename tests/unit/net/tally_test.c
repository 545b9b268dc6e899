// SPDX-License-Identifier: MIT
/* tally: each thread counts in its loop's row, and sums are of all of them. */
#include "check.h"

#include <pthread.h>

#include "net/tally.h"

enum { COUNTED = 1000 };

static void *count(void *arg)
{
    tally_add(TALLY_REQUESTS);           /* of no loop yet: counts nowhere */
    tally_begin(*(const unsigned *)arg);
    for (unsigned i = 0; i < COUNTED; i++) {
        tally_add(TALLY_REQUESTS);
        tally_add(TALLY_OPEN);
    }
    tally_drop(TALLY_OPEN);
    return NULL;
}

static void rows_add_up(void **state)
{
    unsigned  numbers[] = { 0, 3, 63 };
    pthread_t threads[COUNT_OF(numbers)];

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(numbers); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, &numbers[i]), 0);
    for (unsigned i = 0; i < COUNT_OF(numbers); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(tally_of_loop(TALLY_REQUESTS, 3), COUNTED);
    assert_int_equal(tally_of_loop(TALLY_REQUESTS, 1), 0);
    assert_int_equal(tally_sum(TALLY_REQUESTS), 3 * COUNTED);
    assert_int_equal(tally_sum(TALLY_OPEN), 3 * (COUNTED - 1));
    assert_int_equal(tally_sum(TALLY_ACCEPTED), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
