// SPDX-License-Identifier: MIT
/* queue: who is next, who gives way, how long one may wait. The time is the test's. */
#include "base/unit.h"

#include "balance/queue.h"

enum { WAITERS = 64 };

static struct queue  queue;
static struct waiter waiters[WAITERS];

static int begin(void **state)
{
    (void)state;
    queue_init(&queue);
    queue.limits = (struct queue_limits){ .most = 8, .timeout_ms = 60000, .target_ms = 50,
                                          .interval_ms = 100 };
    for (unsigned i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){ .line = NULL };
        list_init(&waiters[i].link);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WAITERS; i++)
        queue_drop(&queue, &waiters[i]);
    queue_done(&queue);
    return 0;
}

static int loser_of(struct waiter *loser)
{
    return loser == NULL ? -1 : (int)(loser - waiters);
}

/* Who had to give way for number `i`: -1 nobody, i itself when it was refused. */
static int add(unsigned i, uint64_t key, int64_t now_ms)
{
    struct waiter *loser;

    return queue_add(&queue, &waiters[i], key, now_ms, &loser) ? loser_of(loser) : (int)i;
}

static int next(int64_t now_ms)
{
    struct waiter *waiter = queue_first(&queue, now_ms);

    if (waiter == NULL)
        return -1;
    queue_serve(&queue, waiter);
    return loser_of(waiter);
}

static void a_wait_is_never_shorter_than_nothing(void **state)
{
    (void)state;
    assert_int_equal(add(0, 1, 1000), -1);
    assert_int_equal(queue_waited_ms(&waiters[0], 1250), 250);
    assert_int_equal(queue_waited_ms(&waiters[0], 998), 0);
}

static void first_come_first_served(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(add(i, 7, 10 * i), -1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(next(50), i);
    assert_int_equal(next(50), -1);
    assert_int_equal(queue.count, 0);
}

static void keys_take_turns(void **state)
{
    static const int expected[] = { 0, 3, 5, 1, 4, 2 };

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        (void)add(i, 1, 0);
    (void)add(3, 2, 0);
    (void)add(4, 2, 0);
    (void)add(5, 3, 0);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(next(1), expected[i]);
}

static void in_a_crowd_the_newest_go_first(void **state)
{
    (void)state;
    (void)add(0, 1, 0);
    (void)add(1, 1, 40);
    (void)add(2, 1, 80);
    assert_false(queue_is_crowded(&queue, &waiters[0], 99));
    assert_true(queue_is_crowded(&queue, &waiters[0], 100));
    assert_int_equal(next(100), 2);
    assert_int_equal(next(100), 1);
    (void)add(3, 1, 100);
    assert_int_equal(next(101), 3);
    assert_int_equal(next(101), 0);
    /* It was empty: no crowd any more. */
    (void)add(4, 1, 102);
    (void)add(5, 1, 103);
    assert_false(queue_is_crowded(&queue, &waiters[4], 110));
    assert_int_equal(next(110), 4);
}

static void a_crowd_shortens_waiting(void **state)
{
    (void)state;
    (void)add(0, 1, 1000);
    assert_int_equal(queue_until_ms(&queue, &waiters[0], 1000), 61000);
    assert_int_equal(queue_look_ms(&queue, &waiters[0], 1000), 1100);
    assert_int_equal(queue_until_ms(&queue, &waiters[0], 1100), 1050);
    (void)add(1, 1, 1090);
    assert_int_equal(queue_look_ms(&queue, &waiters[1], 1090), 1140);
    assert_int_equal(queue_until_ms(&queue, &waiters[1], 1100), 1140);
    queue.limits.timeout_ms = 20;
    assert_int_equal(queue_until_ms(&queue, &waiters[1], 1100), 1110);
    assert_int_equal(queue_look_ms(&queue, &waiters[1], 1095), 1110);
}

static void without_a_target_the_timeout_holds(void **state)
{
    (void)state;
    queue.limits.target_ms = 0;
    (void)add(0, 1, 0);
    (void)add(1, 1, 50);
    assert_false(queue_is_crowded(&queue, &waiters[0], 10000));
    assert_int_equal(queue_until_ms(&queue, &waiters[0], 10000), 60000);
    assert_int_equal(queue_look_ms(&queue, &waiters[0], 10000), 60000);
    assert_int_equal(next(10000), 0);
}

static void a_full_queue_refuses_those_of_the_longest_line(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(add(i, 1, 0), -1);
    assert_int_equal(add(8, 1, 10), 8);        /* one more of the crowd */
    assert_int_equal(add(9, 2, 10), 7);        /* another host: the crowd's last gives way */
    assert_int_equal(add(10, 3, 10), 6);
    assert_int_equal(add(11, 2, 10), 5);
    assert_int_equal(queue.count, 8);
    assert_int_equal(next(10), 0);
    assert_int_equal(next(10), 9);
    assert_int_equal(next(10), 10);
    assert_int_equal(next(10), 1);
}

static void in_a_crowd_the_oldest_gives_way(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        (void)add(i, 1, 0);
    assert_int_equal(add(8, 1, 100), 0);
    assert_int_equal(add(9, 2, 100), 1);
    assert_int_equal(next(100), 8);
    assert_int_equal(next(100), 9);
}

static void many_of_one_each_are_equal(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(add(i, i, 0), -1);
    assert_int_equal(add(8, 100, 10), 8);
    assert_int_equal(add(9, 3, 10), 9);
    assert_int_equal(add(10, 100, 100), 0);
}

static void a_full_queue_of_one_stays_busy(void **state)
{
    (void)state;
    queue.limits.most = 1;
    (void)add(0, 1, 0);
    assert_int_equal(add(1, 1, 100), 0);
    assert_true(queue_is_crowded(&queue, &waiters[1], 101));
}

static void a_crowd_is_its_own_line_s(void **state)
{
    (void)state;
    (void)add(0, 1, 0);
    (void)add(1, 1, 60);
    (void)add(2, 2, 80);
    (void)add(3, 2, 90);
    assert_int_equal(queue_until_ms(&queue, &waiters[1], 100), 110);
    assert_int_equal(queue_until_ms(&queue, &waiters[2], 100), 60080);
    assert_int_equal(next(100), 1);
    assert_int_equal(next(100), 2);
}

static void who_leaves_is_not_served(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        (void)add(i, i / 2, 0);
    queue_drop(&queue, &waiters[0]);
    queue_drop(&queue, &waiters[0]);
    queue_drop(&queue, &waiters[3]);
    assert_int_equal(queue.count, 2);
    assert_int_equal(next(1), 1);
    assert_int_equal(next(1), 2);
    assert_int_equal(next(1), -1);
}

static void whoever_cannot_be_served_is_passed_over(void **state)
{
    const struct waiter *at;

    (void)state;
    (void)add(0, 1, 0);
    (void)add(1, 1, 0);
    (void)add(2, 2, 0);
    at = queue_first(&queue, 1);
    assert_ptr_equal(at, &waiters[0]);
    at = queue_after(&queue, at, 1);
    assert_ptr_equal(at, &waiters[1]);
    at = queue_after(&queue, at, 1);
    assert_ptr_equal(at, &waiters[2]);
    assert_null(queue_after(&queue, at, 1));
    at = queue_first(&queue, 200);
    assert_ptr_equal(at, &waiters[1]);
    assert_ptr_equal(queue_after(&queue, at, 200), &waiters[0]);
}

static void nobody_may_wait_by_default(void **state)
{
    (void)state;
    queue.limits.most = 0;
    assert_int_equal(add(0, 1, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(first_come_first_served),
        TEST(a_wait_is_never_shorter_than_nothing),
        TEST(keys_take_turns),
        TEST(in_a_crowd_the_newest_go_first),
        TEST(a_crowd_shortens_waiting),
        TEST(without_a_target_the_timeout_holds),
        TEST(a_full_queue_refuses_those_of_the_longest_line),
        TEST(in_a_crowd_the_oldest_gives_way),
        TEST(many_of_one_each_are_equal),
        TEST(a_full_queue_of_one_stays_busy),
        TEST(a_crowd_is_its_own_line_s),
        TEST(who_leaves_is_not_served),
        TEST(whoever_cannot_be_served_is_passed_over),
        TEST(nobody_may_wait_by_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
