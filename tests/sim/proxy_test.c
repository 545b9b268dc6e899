// SPDX-License-Identifier: MIT
/* The whole proxy by chance: real loop, codecs, steps, configuration; simulated kernel, clients and
 * origins. A run is a function of its seed: SIM_SEED=n replays the one that failed, SIM_RUNS=n asks
 * for more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "asks.h"
#include "clients.h"
#include "house.h"
#include "kernel.h"
#include "origins.h"
#include "schedule.h"

enum { RUNS = 1500, CLIENTS_MOST = 14, LOOK_US = 500000, RUN_MOST_US = 1000000000 };
enum { TURNS_MOST = 1, LEAVE_MOST_US = 100000000 };

static struct {
    unsigned clients_left, edition, kindness;
    unsigned counts[4];
} run;

/* ---- what happens in a run ---- */

static void come(void)
{
    if (house_is_leaving())
        return;
    client_come(run.kindness);
    if (--run.clients_left > 0)
        kernel_call_at(kernel_now_us() + (int64_t)chance(one_in(4) ? 3000000 : 20000), come);
}

static void reload(void)
{
    run.edition++;
    if (run.kindness == 0 && run.edition % 3 == 2)
        run.edition++;                   /* whose second port is gone, and who came there */
    house_reload(rooms_text(run.edition));
}

/* In the middle of everything; when something is wrong on purpose, clients may be cut as well. */
static void leave(void)
{
    int64_t most_us = run.kindness > 0 && one_in(2) ? (int64_t)chance(5000000) : LEAVE_MOST_US;

    if (!house_is_leaving())
        house_leave(kernel_now_us() + most_us);
}

/* Looks every now and then: when all clients are gone, so are we. */
static void look(void)
{
    clients_check_patience();
    if (kernel_now_us() > RUN_MOST_US)
        FAIL("it is not over yet");
    if (house_is_leaving())
        return;
    if (run.clients_left > 0 || !clients_are_gone())
        kernel_call_at(kernel_now_us() + LOOK_US, look);
    else
        house_leave(kernel_now_us() + LEAVE_MOST_US);
}

static struct mood mood_by_chance(bool is_calm)
{
    struct mood mood = { .send_bytes = 2000 + chance(one_in(2) ? 100000 : 4000),
                         .lane_slots = 2 + (unsigned)chance(62),
                         .hurry = 2 + (unsigned)chance(20),
                         .no_lanes = (unsigned)chance(3),
                         .interrupts = one_in(3) ? 10 : 0,
                         .short_writes = one_in(3) ? 8 : 0 };

    if (is_calm)
        return mood;
    mood.slow_wires = one_in(3) ? 200 : 0;
    mood.no_descriptors = one_in(4) ? 20 : 0;
    mood.no_watches = one_in(4) ? 30 : 0;
    return mood;
}

static uint64_t run_once(uint64_t seed)
{
    struct mood mood;

    schedule_begin(seed);
    asks_begin();
    clients_begin();
    run.edition = (unsigned)chance(2);
    run.kindness = one_in(4) ? 0 : 2 + (unsigned)chance(20);
    run.clients_left = 1 + (unsigned)chance(CLIENTS_MOST);
    mood = mood_by_chance(run.kindness == 0);
    kernel_begin(&mood);
    origins_begin(run.kindness, NULL);
    house_open(rooms_text(run.edition),
               run.kindness > 0 && one_in(4) ? 1 + (unsigned)chance(5) : 512);
    kernel_call_at(kernel_now_us(), come);
    kernel_call_at(kernel_now_us() + LOOK_US, look);
    for (unsigned reloads = (unsigned)chance(3); reloads > 0; reloads--)
        kernel_call_at(kernel_now_us() + (int64_t)chance(3000000), reload);
    if (one_in(6))
        kernel_call_at(kernel_now_us() + (int64_t)chance(3000000), leave);
    house_run();
    house_close();
    if (kernel_turns() > TURNS_MOST * kernel_happenings())
        FAIL("%llu turns for %llu things that happened", (unsigned long long)kernel_turns(),
             (unsigned long long)kernel_happenings());
    clients_count(run.counts);
    CHECK(clients_are_gone());
    kernel_end();
    clients_end();
    origins_end();
    return schedule_digest();
}

/* ---- tests ---- */

static void every_answer_is_whole_or_seen_to_be_cut(void **state)
{
    uint64_t first = schedules_first();
    uint64_t runs = schedules_count(RUNS);
    unsigned total[4] = { 0 };

    (void)state;
    for (uint64_t seed = first; seed < first + runs; seed++) {
        (void)run_once(seed);
        for (int i = 0; i < 4; i++)
            total[i] += run.counts[i];
    }
    print_message("answered by an origin %u, by us %u, cut %u\n", total[OUTCOME_ANSWERED],
                  total[OUTCOME_OURS], total[OUTCOME_CUT]);
    if (runs < RUNS)
        return;
    /* Else the scripts have learned to say nothing. */
    assert_true(total[OUTCOME_ANSWERED] > runs * 5);
    assert_true(total[OUTCOME_OURS] > runs / 2);
}

static void a_seed_is_a_schedule(void **state)
{
    (void)state;
    schedules_check_repeats(run_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_whole_or_seen_to_be_cut),
        cmocka_unit_test(a_seed_is_a_schedule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
