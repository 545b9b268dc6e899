// SPDX-License-Identifier: MIT
/* mailbox: every letter is opened once, on the loop it was posted to, in the order of its sender;
 * a sleeping loop wakes at once. */
#include "side.h"

#include <stdatomic.h>

enum { SENDERS = 4, LETTERS = 50000 };

struct numbered {
    struct letter letter;
    unsigned      sender, number;
};

static struct side     side;
static struct numbered letters[SENDERS][LETTERS];
static unsigned        next[SENDERS];
static atomic_uint     opened;

static void numbered_open(struct loop *loop, struct letter *letter)
{
    struct numbered *numbered = container_of(letter, struct numbered, letter);

    must(loop == side.loop && loop_self() == loop);
    must(numbered->number == next[numbered->sender]);
    next[numbered->sender]++;
    atomic_fetch_add(&opened, 1);
}

static void *send(void *argument)
{
    unsigned sender = (unsigned)(uintptr_t)argument;

    for (unsigned i = 0; i < LETTERS; i++) {
        letters[sender][i] = (struct numbered){ .letter = { .open = numbered_open },
                                                .sender = sender, .number = i };
        mailbox_post(side.loop, &letters[sender][i].letter);
        if (i % 5000 == 0)
            (void)usleep(1000);     /* so that the loop falls asleep now and then */
    }
    return NULL;
}

static void many_senders_keep_their_order(void **state)
{
    pthread_t threads[SENDERS];

    (void)state;
    side_start(&side, 0);
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < SENDERS; i++)
        (void)pthread_join(threads[i], NULL);
    WAIT_UNTIL(atomic_load(&opened) == SENDERS * LETTERS);
    side_stop(&side);
}

static void nothing(struct loop *loop, void *argument)
{
    (void)loop;
    (void)argument;
}

/* Each call is a letter to a loop that sleeps without a deadline: a lost bell would hang here. */
static void no_bell_is_lost(void **state)
{
    int64_t start_ms = clock_mono_ms();

    (void)state;
    side_start(&side, 0);
    for (int i = 0; i < 20000; i++)
        side_call(&side, nothing, NULL);
    side_stop(&side);
    assert_in_range(clock_mono_ms() - start_ms, 0, 30000);
}

/* ---- a letter that posts itself on ---- */

static struct side  sides[2];
static atomic_uint  passes;

static void pass_on(struct loop *loop, struct letter *letter)
{
    if (atomic_fetch_add(&passes, 1) < 20000)
        mailbox_post(loop == sides[0].loop ? sides[1].loop : sides[0].loop, letter);
}

static void loops_write_to_each_other(void **state)
{
    struct letter ball = { .open = pass_on };

    (void)state;
    atomic_store(&passes, 0);
    side_start(&sides[0], 0);
    side_start(&sides[1], 1);
    mailbox_post(sides[0].loop, &ball);
    WAIT_UNTIL(atomic_load(&passes) == 20001);
    side_join(&sides[0]);
    side_join(&sides[1]);
    loop_free(&sides[0].loop);           /* only now: the other one's last letter may just have come */
    loop_free(&sides[1].loop);
}

/* A loop that always writes to itself still sees the others. */
static void itself_open(struct loop *loop, struct letter *letter)
{
    if (atomic_load(&passes) == 0)
        mailbox_post(loop, letter);
    else
        atomic_store(&passes, 2);
}

static void end_itself(struct loop *loop, void *argument)
{
    (void)loop;
    (void)argument;
    atomic_store(&passes, 1);
}

static void a_loop_may_write_to_itself(void **state)
{
    struct letter itself = { .open = itself_open };

    (void)state;
    atomic_store(&passes, 0);
    side_start(&side, 0);
    mailbox_post(side.loop, &itself);
    (void)usleep(20 * 1000);
    side_call(&side, end_itself, NULL);
    WAIT_UNTIL(atomic_load(&passes) == 2);
    side_stop(&side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_senders_keep_their_order),
        cmocka_unit_test(no_bell_is_lost),
        cmocka_unit_test(loops_write_to_each_other),
        cmocka_unit_test(a_loop_may_write_to_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
