// SPDX-License-Identifier: MIT
/* pool: objects come back, on whichever thread they were given, and not more than asked for. */
#include "check.h"

#include <pthread.h>

#include "base/pool.h"

/* gcc alone says so plainly; a clang build leaves the one test out. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define OBJECTS_REST
#endif

struct thing {
    unsigned char bytes[200];
};

static struct pool things = POOL("thing", struct thing, 3);
static struct pool others = POOL("other", struct thing, 1000);

static int drain(void **state)
{
    (void)state;
    pools_drain();
    return 0;
}

static void taken_objects_are_zeroed(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct thing *thing = pool_take(&things);

        for (size_t i = 0; i < sizeof(thing->bytes); i++)
            assert_int_equal(thing->bytes[i], 0);
        memset(thing, 0xee, sizeof(*thing));
        pool_give(&things, thing);
    }
    pool_give(&things, NULL);
}

static void objects_are_apart(void **state)
{
    struct thing *taken[50];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 50; i++)
            memset(taken[i] = pool_take_raw(&others), i, sizeof(struct thing));
        for (int i = 0; i < 50; i++)
            for (size_t j = 0; j < sizeof(struct thing); j++)
                assert_int_equal(taken[i]->bytes[j], i);
        for (int i = 0; i < 50; i++)
            pool_give(&others, taken[i]);
    }
}

#ifdef OBJECTS_REST
static void the_newest_comes_back_first(void **state)
{
    struct thing *a = pool_take(&things), *b = pool_take(&things);

    (void)state;
    pool_give(&things, a);
    pool_give(&things, b);
    assert_ptr_equal(pool_take_raw(&things), b);
    assert_ptr_equal(pool_take_raw(&things), a);
    pool_give(&things, a);
    pool_give(&things, b);
}
#endif

static void kinds_do_not_mix(void **state)
{
    struct thing *thing = pool_take(&things), *other;

    (void)state;
    pool_give(&things, thing);
    other = pool_take(&others);
    assert_int_not_equal(things.number, others.number);
    assert_true(things.number > 0 && others.number > 0);
    pool_give(&others, other);
}

static void more_than_is_kept_goes_back(void **state)
{
    struct thing *taken[20];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20; i++)
            taken[i] = pool_take(&things);
        for (int i = 0; i < 20; i++)
            pool_give(&things, taken[i]);
        pools_drain();
    }
}

static void make_too_many_kinds(void)
{
    static struct pool pools[POOL_MOST_KINDS];

    for (int i = 0; i < POOL_MOST_KINDS; i++) {
        pools[i] = (struct pool)POOL("one of many", struct thing, 1);
        pool_give(&pools[i], pool_take(&pools[i]));
    }
}

static void kinds_are_limited(void **state)
{
    (void)state;
    CHECK_ABORTS(make_too_many_kinds, "must(kinds + 1 < POOL_MOST_KINDS");
}

enum { THREADS = 4, ROUNDS = 500, HELD = 10 };

static struct pool shared = POOL("shared", struct thing, 20);

/* Gives what another thread took, and takes for the next: a first use at the same time included. */
static void *exchange_objects(void *argument)
{
    struct thing **held = argument;

    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < HELD; i++) {
            pool_give(&shared, held[i]);
            held[i] = pool_take(&shared);
            memset(held[i], i, sizeof(*held[i]));
        }
    for (int i = 0; i < HELD; i++)
        pool_give(&shared, held[i]);
    pools_drain();
    return NULL;
}

static void objects_may_die_on_any_thread(void **state)
{
    static struct thing *held[THREADS][HELD];
    pthread_t            threads[THREADS];

    (void)state;
    for (int t = 0; t < THREADS; t += 2)
        for (int i = 0; i < HELD; i++)
            held[t][i] = pool_take(&shared);
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, exchange_objects, held[t]), 0);
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_objects_are_zeroed),
        cmocka_unit_test(objects_are_apart),
#ifdef OBJECTS_REST
        cmocka_unit_test(the_newest_comes_back_first),
#endif
        cmocka_unit_test(kinds_do_not_mix),
        cmocka_unit_test(more_than_is_kept_goes_back),
        cmocka_unit_test(kinds_are_limited),
        cmocka_unit_test(objects_may_die_on_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, drain);
}
