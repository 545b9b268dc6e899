// SPDX-License-Identifier: MIT
/* Caches by chance: many clients for few keys. Whatever stalls, fails and leaves, nobody gets bytes
 * that the origin did not say for what was asked, nobody waits for ever, and nothing is left.
 * SIM_SEED and SIM_RUNS as in proxy_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/block.h"
#include "base/pool.h"
#include "house.h"
#include "kernel.h"
#include "rooms.h"
#include "schedule.h"
#include "versions.h"

enum { RUNS = 400, ASKERS_MOST = 30, LOOK_US = 500000, RUN_MOST_US = 1000000000 };
enum { LEAVE_MOST_US = 100000000, TEXT_BYTES = 8192 };

static struct {
    unsigned left, edition, kindness;
    unsigned counts[4];
} run;

static const char beginning[] =
    "events {}\n"
    "http {\n"
    "  access_log off; client_header_timeout 4s; client_body_timeout 4s; send_timeout 4s;\n"
    "  keepalive_timeout 6s; lingering_time 6s; lingering_timeout 2s;\n"
    "  proxy_connect_timeout 2s; proxy_read_timeout 3s; proxy_send_timeout 3s;\n"
    "  proxy_cache_path memory: keys_zone=big:16m;\n"
    "  proxy_cache_path memory: keys_zone=small:%um max_object=30k;\n"
    "  upstream one { server 10.0.0.1 max_fails=0; keepalive 8; keepalive_timeout 5s; }\n"
    "  upstream two { server 10.0.0.2 max_fails=0; server 10.0.0.3 max_fails=0; keepalive 2; }\n"
    "  server { listen 80; server_name sim;\n";

static const char *text_of_edition(unsigned edition)
{
    static char text[TEXT_BYTES];
    size_t      len = (size_t)snprintf(text, TEXT_BYTES, beginning, 1 + edition % 2);

    for (unsigned i = 0; i < cached_room_count; i++)
        len += (size_t)snprintf(text + len, TEXT_BYTES - len, "    location %s/ { %s }\n",
                                cached_rooms[i].path, cached_rooms[i].lines);
    (void)snprintf(text + len, TEXT_BYTES - len, "  }\n}\n");
    return text;
}

/* ---- what happens in a run ---- */

static void come(void)
{
    if (house_is_leaving())
        return;
    asker_come(run.kindness);
    if (--run.left > 0)
        kernel_call_at(kernel_now_us() + (int64_t)chance(one_in(5) ? 3000000 : 20000), come);
}

static void reload(void)
{
    house_reload(text_of_edition(++run.edition));
}

static void leave(void)
{
    int64_t most_us = run.kindness > 0 && one_in(2) ? (int64_t)chance(5000000) : LEAVE_MOST_US;

    if (!house_is_leaving())
        house_leave(kernel_now_us() + most_us);
}

static void look(void)
{
    askers_check_patience();
    if (kernel_now_us() > RUN_MOST_US)
        FAIL("it is not over yet");
    if (house_is_leaving())
        return;
    if (run.left > 0 || !askers_are_gone())
        kernel_call_at(kernel_now_us() + LOOK_US, look);
    else
        house_leave(kernel_now_us() + LEAVE_MOST_US);
}

static struct mood mood_by_chance(bool is_calm)
{
    struct mood mood = { .send_bytes = 2000 + chance(one_in(2) ? 100000 : 4000),
                         .lane_slots = 2 + (unsigned)chance(62),
                         .hurry = 2 + (unsigned)chance(20),
                         .short_writes = one_in(3) ? 8 : 0 };

    if (!is_calm)
        mood.slow_wires = one_in(3) ? 200 : 0;
    return mood;
}

static uint64_t run_once(uint64_t seed)
{
    struct mood mood;
    size_t      blocks;

    pools_drain();
    blocks = block_total();
    schedule_begin(seed);
    versions_begin();
    askers_begin();
    run.edition = 0;
    run.kindness = one_in(4) ? 0 : 2 + (unsigned)chance(20);
    run.left = 1 + (unsigned)chance(ASKERS_MOST);
    mood = mood_by_chance(run.kindness == 0);
    kernel_begin(&mood);
    sources_begin(run.kindness);
    house_open(text_of_edition(0), 512);
    kernel_call_at(kernel_now_us(), come);
    kernel_call_at(kernel_now_us() + LOOK_US, look);
    for (unsigned reloads = (unsigned)chance(3); reloads > 0; reloads--)
        kernel_call_at(kernel_now_us() + (int64_t)chance(5000000), reload);
    if (one_in(6))
        kernel_call_at(kernel_now_us() + (int64_t)chance(5000000), leave);
    house_run();
    house_close();
    askers_count(run.counts);
    CHECK(askers_are_gone());
    kernel_end();
    askers_end();
    sources_end();
    pools_drain();
    CHECK(block_total() == blocks);
    return schedule_digest();
}

/* ---- tests ---- */

static void what_comes_from_a_cache_was_said(void **state)
{
    uint64_t first = schedules_first();
    uint64_t runs = schedules_count(RUNS);
    unsigned total[4] = { 0 }, asked = 0;

    (void)state;
    for (uint64_t seed = first; seed < first + runs; seed++) {
        (void)run_once(seed);
        asked += sources_asked();
        for (int i = 0; i < 4; i++)
            total[i] += run.counts[i];
    }
    print_message("%u answers whole, %u in part, %u of ours, %u cut; origins were asked %u times\n",
                  total[0], total[1], total[2], total[3], asked);
    if (runs < RUNS)
        return;
    /* Else the scripts have learned to say nothing, or the caches to keep nothing. */
    assert_true(total[0] > runs * 5 && total[1] > runs);
    assert_true(asked < (total[0] + total[1]) * 3 / 4);
}

static void a_seed_is_a_schedule(void **state)
{
    (void)state;
    schedules_check_repeats(run_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_from_a_cache_was_said),
        cmocka_unit_test(a_seed_is_a_schedule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
