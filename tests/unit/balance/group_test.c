// SPDX-License-Identifier: MIT
/* group, roster, pick_quiet: who is chosen, in short lists and in long ones. */
#include "base/unit.h"

#include "balance/group.h"

#include "base/clock.h"

enum { SERVERS_MOST = 200 };

static struct upstream_server servers[SERVERS_MOST];
static struct upstream        upstream;
static struct loop           *control;

static void begin(unsigned count)
{
    control = loop_new(0);
    memset(servers, 0, sizeof(servers));
    for (unsigned i = 0; i < count; i++) {
        servers[i] = (struct upstream_server){ .name = TEXT("x"), .host = TEXT(""),
                                               .has_address = true, .weight = 1, .max_fails = 1,
                                               .fail_timeout_ms = 10000 };
        assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 1000 + i, &servers[i].address), 0);
    }
    upstream = (struct upstream){ .name = TEXT("backend"), .servers = servers,
                                  .server_count = count };
}

static void bind_it(void)
{
    group_bind(&upstream, control);
}

static void end(void)
{
    group_unbind(&upstream);
    loop_free(&control);
}

static struct peer *pick(void)
{
    struct pick_ask ask = { .now_ms = clock_mono_ms() };
    enum nobody     nobody;

    return group_pick(&upstream, &ask, &nobody);
}

static unsigned number_of(const struct peer *peer)
{
    return address_port(&peer->address) - 1000;
}

static void done(struct peer *peer, bool is_failure, unsigned status)
{
    struct ending ending = { .is_failure = is_failure, .status = status };
    bool           is_now_down;

    group_done(&peer, &ending, &is_now_down);
}

static unsigned one_at_a_time(void)
{
    struct peer *peer = pick();
    unsigned     number;

    assert_non_null(peer);
    number = number_of(peer);
    done(peer, false, 200);
    return number;
}

static void takes_turns_as_nginx_does(void **state)
{
    static const unsigned expected[] = { 0, 0, 1, 0, 2, 0, 0 };

    (void)state;
    begin(3);
    servers[0].weight = 5;
    bind_it();
    for (unsigned i = 0; i < 14; i++)
        assert_int_equal(one_at_a_time(), expected[i % 7]);
    end();
}

static void leaves_the_busy_alone(void **state)
{
    struct peer *busy[2];

    (void)state;
    begin(3);
    bind_it();
    busy[0] = pick();
    busy[1] = pick();
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(one_at_a_time(), 2);
    done(busy[0], false, 200);
    done(busy[1], false, 200);
    end();
}

/* Three at once at two servers, over and over: one has two of them by turns. */
static void requests_in_step_are_dealt_out_evenly(void **state)
{
    unsigned seen[2] = { 0 };

    (void)state;
    begin(2);
    bind_it();
    for (unsigned round = 0; round < 20; round++) {
        struct peer *peers[3];

        for (unsigned i = 0; i < 3; i++) {
            peers[i] = pick();
            seen[number_of(peers[i])]++;
        }
        for (unsigned i = 0; i < 3; i++)
            done(peers[i], false, 200);
    }
    assert_int_equal(seen[0], seen[1]);
    end();
}

static void one_that_fails_fast_gets_no_more_than_others(void **state)
{
    struct peer *held[30];
    unsigned     count = 0, of_the_bad = 0;

    (void)state;
    begin(3);
    bind_it();
    while (count < 30) {                 /* requests at the good ones last, the bad one says 500 at once */
        struct peer *peer = pick();

        if (number_of(peer) == 1) {
            done(peer, false, 500);
            assert_in_range(++of_the_bad, 0, 40);
        } else {
            held[count++] = peer;
        }
    }
    assert_in_range(of_the_bad, 1, 20);
    while (count > 0)
        done(held[--count], false, 200);
    end();
}

static void a_long_list_takes_turns_by_weight(void **state)
{
    unsigned seen[100] = { 0 };

    (void)state;
    begin(100);
    servers[7].weight = 3;
    bind_it();
    for (unsigned i = 0; i < 1020; i++)
        seen[one_at_a_time()]++;
    for (unsigned i = 0; i < 100; i++)
        assert_in_range(seen[i], i == 7 ? 29 : 9, i == 7 ? 31 : 11);
    end();
}

static void a_long_list_leaves_the_busy_alone(void **state)
{
    struct peer *held[150];
    unsigned     seen[50] = { 0 };

    (void)state;
    begin(50);
    bind_it();
    for (unsigned i = 0; i < 150; i++) {
        held[i] = pick();
        seen[number_of(held[i])]++;
    }
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(seen[i], 3);
    done(held[17], false, 200);
    assert_int_equal(one_at_a_time(), number_of(held[17]));
    for (unsigned i = 0; i < 150; i++)
        if (i != 17)
            done(held[i], false, 200);
    end();
}

static void a_long_list_passes_over_the_full_and_the_failed(void **state)
{
    struct peer *held[99];

    (void)state;
    begin(100);
    for (unsigned i = 0; i < 100; i++)
        servers[i].max_conns = 1;
    bind_it();
    for (unsigned i = 0; i < 99; i++)
        held[i] = pick();
    done(pick(), true, 0);               /* the last one fails, all others are full */
    assert_null(pick());
    done(held[40], false, 200);
    held[40] = pick();
    assert_non_null(held[40]);
    for (unsigned i = 0; i < 99; i++)
        done(held[i], false, 200);
    end();
}

static void backups_wait_for_the_primaries_to_fail(void **state)
{
    (void)state;
    begin(3);
    servers[0].is_backup = true;
    bind_it();
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(one_at_a_time(), 1 + i % 2);
    done(pick(), true, 0);
    done(pick(), true, 0);
    assert_int_equal(one_at_a_time(), 0);
    end();
}

static void counters_outlive_a_configuration(void **state)
{
    struct upstream        first;
    struct upstream_server moved[2];
    struct peer           *held;

    (void)state;
    begin(2);
    bind_it();
    held = pick();
    assert_int_equal(number_of(held), 0);
    first = upstream;
    moved[0] = servers[1];
    moved[1] = servers[0];
    upstream.servers = moved;
    bind_it();                           /* as a reload does: the old one is let go of afterwards */
    group_unbind(&first);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(one_at_a_time(), 1);
    done(held, false, 200);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_turns_as_nginx_does),
        cmocka_unit_test(leaves_the_busy_alone),
        cmocka_unit_test(requests_in_step_are_dealt_out_evenly),
        cmocka_unit_test(one_that_fails_fast_gets_no_more_than_others),
        cmocka_unit_test(a_long_list_takes_turns_by_weight),
        cmocka_unit_test(a_long_list_leaves_the_busy_alone),
        cmocka_unit_test(a_long_list_passes_over_the_full_and_the_failed),
        cmocka_unit_test(backups_wait_for_the_primaries_to_fail),
        cmocka_unit_test(counters_outlive_a_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
