// SPDX-License-Identifier: MIT
/* uses: how often a key was asked for, in a table of fixed size. */
#include "objects.h"

#include <pthread.h>

#include "cache/uses.h"

enum { WAYS = 4, SETS = 16 * 1024 };

static void each_use_counts(void **state)
{
    struct uses *uses = uses_new();

    (void)state;
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(uses_count(uses, key_of("a").hash), i);
        assert_int_equal(uses_count(uses, key_of("b").hash), i);
    }
    uses_free(&uses);
    assert_null(uses);
    uses_free(&uses);                    /* harmless */
}

/* Keys of one set: the least used goes, and who stays has aged. */
static void a_full_set_forgets_who_was_used_least(void **state)
{
    struct uses      *uses = uses_new();
    struct cache_hash hash = { .low = 3 };

    (void)state;
    for (uint64_t i = 1; i <= WAYS; i++) {
        hash.high = i;
        for (uint64_t k = 0; k < 10 * i; k++)
            (void)uses_count(uses, hash);
    }
    hash.high = 99;
    assert_int_equal(uses_count(uses, hash), 1);         /* instead of 1, which had 10 */
    hash.high = WAYS;
    assert_int_equal(uses_count(uses, hash), 10 * WAYS); /* one less, one more */
    hash.high = 1;
    assert_int_equal(uses_count(uses, hash), 1);         /* from the start, instead of 99 */
    hash.high = 2;
    assert_true(uses_count(uses, hash) > 10);
    uses_free(&uses);
}

/* What nobody asks for again cannot hold its place for ever. */
static void what_was_popular_once_goes(void **state)
{
    struct uses      *uses = uses_new();
    struct cache_hash popular = { .low = 5, .high = 1 }, other = { .low = 5 };

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        (void)uses_count(uses, popular);
    for (uint64_t i = 2; i < 1000; i++) {
        other.high = i;
        (void)uses_count(uses, other);
    }
    assert_int_equal(uses_count(uses, popular), 1);
    uses_free(&uses);
}

static void other_sets_do_not_mind(void **state)
{
    struct uses      *uses = uses_new();
    struct cache_hash hash = { .low = 0, .high = 7 };

    (void)state;
    for (uint64_t low = 0; low < SETS; low++) {
        hash.low = low;
        assert_int_equal(uses_count(uses, hash), 1);
    }
    for (uint64_t low = 0; low < SETS; low++) {
        hash.low = low;
        assert_int_equal(uses_count(uses, hash), 2);
    }
    uses_free(&uses);
}

enum { THREADS = 4, COUNTS = 20000 };

static void *count_many(void *argument)
{
    for (unsigned i = 0; i < COUNTS; i++)
        (void)uses_count(argument, key_of("a").hash);
    return NULL;
}

static void threads_lose_no_use(void **state)
{
    struct uses *uses = uses_new();
    pthread_t    threads[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, uses), 0);
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(uses_count(uses, key_of("a").hash), THREADS * COUNTS + 1);
    uses_free(&uses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_use_counts),
        cmocka_unit_test(a_full_set_forgets_who_was_used_least),
        cmocka_unit_test(what_was_popular_once_goes),
        cmocka_unit_test(other_sets_do_not_mind),
        cmocka_unit_test(threads_lose_no_use),
    };

    return cmocka_run_group_tests(tests, NULL, drain);
}
