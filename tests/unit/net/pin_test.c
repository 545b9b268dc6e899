// SPDX-License-Identifier: MIT
/* pin: what is retired is released once, on the control loop, when no loop pins it any more. */
#include "side.h"

#include <stdatomic.h>

#include "net/pin.h"

enum { LOOPS = 3, CONTROL = LOOPS, ROUNDS = 300 };

struct thing {
    struct pinned pinned;
    uint64_t      alive;                 /* what users look at */
};

static struct side  sides[LOOPS + 1];
static struct loop *loops[LOOPS];
static atomic_uint  released;

static void thing_release(struct pinned *pinned)
{
    struct thing *thing = container_of(pinned, struct thing, pinned);

    must(loop_self() == sides[CONTROL].loop);
    must(thing->alive == 42);
    for (unsigned i = 0; i < LOOPS_MOST; i++)
        must(pinned->counts[i] == 0);
    free(thing);
    atomic_fetch_add(&released, 1);
}

static struct thing *thing_new(void)
{
    struct thing *thing = calloc(1, sizeof(*thing));

    thing->alive = 42;
    return thing;
}

static void do_pin(struct loop *loop, void *thing)
{
    pin(loop, &((struct thing *)thing)->pinned);
}

static void do_unpin(struct loop *loop, void *thing)
{
    must(((struct thing *)thing)->alive == 42);
    unpin(loop, &((struct thing *)thing)->pinned);
}

static void do_retire(struct loop *loop, void *thing)
{
    pinned_retire(&((struct thing *)thing)->pinned, loop, loops, LOOPS, thing_release);
}

static void do_retire_alone(struct loop *loop, void *thing)
{
    pinned_retire(&((struct thing *)thing)->pinned, loop, loops, 0, thing_release);
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(&released, 0);
    for (unsigned i = 0; i <= LOOPS; i++) {
        side_start(&sides[i], i == CONTROL ? LOOPS_MOST - 1 : i);
        if (i < LOOPS)
            loops[i] = sides[i].loop;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= LOOPS; i++)
        side_stop(&sides[i]);
    return 0;
}

/* Waits until each loop has had a turn after the last letter. */
static void nothing(struct loop *loop, void *argument)
{
    (void)loop;
    (void)argument;
}

static void turns_pass(void)
{
    for (int round = 0; round < 3; round++)
        for (unsigned i = 0; i <= LOOPS; i++)
            side_call(&sides[i], nothing, NULL);
}

static void what_nobody_pins_goes_at_once(void **state)
{
    (void)state;
    side_call(&sides[CONTROL], do_retire, thing_new());
    WAIT_UNTIL(atomic_load(&released) == 1);
}

static void without_loops_it_goes_at_once(void **state)
{
    (void)state;
    side_call(&sides[CONTROL], do_retire_alone, thing_new());
    WAIT_UNTIL(atomic_load(&released) == 1);
}

static void the_last_pin_decides(void **state)
{
    struct thing *thing = thing_new();

    (void)state;
    side_call(&sides[0], do_pin, thing);
    side_call(&sides[2], do_pin, thing);
    side_call(&sides[2], do_pin, thing);
    side_call(&sides[CONTROL], do_retire, thing);
    turns_pass();
    assert_int_equal(atomic_load(&released), 0);
    side_call(&sides[2], do_unpin, thing);
    side_call(&sides[0], do_unpin, thing);
    turns_pass();
    assert_int_equal(atomic_load(&released), 0);
    side_call(&sides[2], do_unpin, thing);
    WAIT_UNTIL(atomic_load(&released) == 1);
    turns_pass();
    assert_int_equal(atomic_load(&released), 1);
}

/* Several configurations are on their way out at once, as after quick reloads. */
static void many_leave_in_any_order(void **state)
{
    struct thing *things[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        things[i] = thing_new();
        side_call(&sides[i % LOOPS], do_pin, things[i]);
        side_call(&sides[CONTROL], do_retire, things[i]);
    }
    turns_pass();
    assert_int_equal(atomic_load(&released), 0);
    for (unsigned i = 0; i < 8; i++) {
        unsigned k = (i * 3 + 2) % 8;

        side_call(&sides[k % LOOPS], do_unpin, things[k]);
        WAIT_UNTIL(atomic_load(&released) == i + 1);
    }
}

static void again_and_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct thing *thing = thing_new();

        side_call(&sides[i % LOOPS], do_pin, thing);
        side_call(&sides[CONTROL], do_retire, thing);
        side_call(&sides[i % LOOPS], do_unpin, thing);
    }
    WAIT_UNTIL(atomic_load(&released) == ROUNDS);
}

#define WITH_LOOPS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOPS(what_nobody_pins_goes_at_once), WITH_LOOPS(without_loops_it_goes_at_once),
        WITH_LOOPS(the_last_pin_decides),          WITH_LOOPS(many_leave_in_any_order),
        WITH_LOOPS(again_and_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
