// SPDX-License-Identifier: MIT
/* pick_hash, pick_ring, pick_ip_hash, pick_random, pick_time, on groups without a network. That keys go
 * where nginx sends them is proved beside nginx: tests/e2e/test_balancing.py. */

#include "base/unit.h"

#include "balance/group_parts.h"
#include "base/clock.h"

enum { SERVERS_MOST = 400 };

static struct upstream_server servers[SERVERS_MOST];
static char                   names[SERVERS_MOST][32];
static struct upstream        upstream;
static struct loop           *control;

static void begin(unsigned count, struct balance balance)
{
    control = loop_new(0);
    memset(servers, 0, sizeof(servers));
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "10.0.0.%u:%u", i % 250, 1000 + i);
        servers[i] = (struct upstream_server){ .name = text_from(names[i]), .host = TEXT(""),
                                               .has_address = true, .weight = 1, .max_fails = 1,
                                               .fail_timeout_ms = 10000 };
        assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 1000 + i, &servers[i].address), 0);
    }
    upstream = (struct upstream){ .name = TEXT("backend"), .servers = servers,
                                  .server_count = count, .balance = balance };
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

static unsigned number_of(const struct peer *peer)
{
    return address_port(&peer->address) - 1000;
}

static void done(struct peer *peer, struct ending ending)
{
    bool is_now_down;

    group_done(&peer, &ending, &is_now_down);
}

static struct peer *pick_key(const char *key)
{
    struct pick_ask ask = { .now_ms = clock_mono_ms(), .key = text_from(key) };
    enum nobody     nobody;

    return group_pick(&upstream, &ask, &nobody);
}

static unsigned server_of(unsigned number)
{
    char         key[24];
    struct peer *peer;
    unsigned     server;

    (void)snprintf(key, sizeof(key), "key %u", number);
    peer = pick_key(key);
    assert_non_null(peer);
    server = number_of(peer);
    done(peer, (struct ending){ .status = 200 });
    return server;
}

static const struct balance plain = { .method = BALANCE_HASH };
static const struct balance ring = { .method = BALANCE_HASH, .is_consistent = true };

static void a_try_goes_elsewhere_and_always_there(void **state)
{
    const struct balance kinds[] = { plain, ring };

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        begin(5, kinds[k]);
        bind_it();
        for (unsigned i = 0; i < 50; i++) {
            struct pick_ask ask = { .now_ms = clock_mono_ms(), .key = text_from(names[i]) };
            enum nobody     nobody;
            unsigned        seen = 0;

            for (; ask.tried_count < 5; ask.tried_count++) {
                struct peer *peer = group_pick(&upstream, &ask, &nobody);

                assert_non_null(peer);
                assert_int_equal(seen & 1u << number_of(peer), 0);
                seen |= 1u << number_of(peer);
                ask.tried[ask.tried_count] = peer;
                done(peer, (struct ending){ .status = 200 });
            }
            assert_null(group_pick(&upstream, &ask, &nobody));
        }
        end();
    }
}

static void a_ring_outlives_a_configuration(void **state)
{
    struct upstream     first;
    const struct group *group;
    const void         *kept;
    unsigned            before[100];

    (void)state;
    begin(50, ring);
    bind_it();
    group = upstream.group;
    kept = group->primaries.ring;
    assert_non_null(kept);
    for (unsigned i = 0; i < 100; i++)
        before[i] = server_of(i);
    first = upstream;
    bind_it();
    group_unbind(&first);
    assert_ptr_equal(group->primaries.ring, kept);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(server_of(i), before[i]);
    first = upstream;
    upstream.balance = plain;            /* and goes when the method does */
    bind_it();
    group_unbind(&first);
    assert_null(group->primaries.ring);
    end();
}

static void a_ring_follows_its_servers(void **state)
{
    struct upstream first;
    unsigned        moved = 0, before[400];

    (void)state;
    begin(10, ring);
    bind_it();
    for (unsigned i = 0; i < 400; i++)
        before[i] = server_of(i);
    first = upstream;
    upstream.server_count = 9;
    bind_it();
    group_unbind(&first);
    for (unsigned i = 0; i < 400; i++)
        moved += server_of(i) != before[i];
    for (unsigned i = 0; i < 400; i++)
        assert_true(before[i] == 9 || server_of(i) == before[i]);
    assert_in_range(moved, 15, 80);
    end();
}

static void large_weights_stay_in_bounds(void **state)
{
    unsigned of_the_first = 0;

    (void)state;
    begin(3, ring);
    servers[0].weight = 1000000;
    servers[1].weight = 1000000;
    bind_it();
    for (unsigned i = 0; i < 400; i++)
        of_the_first += server_of(i) == 0;
    assert_in_range(of_the_first, 150, 250);
    end();
}

/* Weights 3 : 1, factor 1.5: no more than 1.5 * 3/4 and 1.5 * 1/4 of all, rounded up. */
static void bounds_follow_the_weights(void **state)
{
    struct balance bounded = ring;
    struct peer   *held[40];
    unsigned       seen[2] = { 0 };

    (void)state;
    bounded.bound_percent = 150;
    begin(2, bounded);
    servers[0].weight = 3;
    bind_it();
    for (unsigned i = 0; i < 40; i++) {
        held[i] = pick_key("hot");
        seen[number_of(held[i])]++;
        assert_true(seen[0] <= (150 * 3 * (i + 1) + 399) / 400);
        assert_true(seen[1] <= (150 * (i + 1) + 399) / 400);
    }
    for (unsigned i = 0; i < 40; i++)
        done(held[i], (struct ending){ .status = 200 });
    end();
}

static void the_full_and_the_failed_are_passed_over(void **state)
{
    const struct balance kinds[] = { plain, ring, { .method = BALANCE_IP_HASH },
                                     { .method = BALANCE_RANDOM },
                                     { .method = BALANCE_RANDOM, .has_two = true },
                                     { .method = BALANCE_LEAST_TIME, .is_timed = true } };

    (void)state;
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        for (unsigned count = 20; count <= 100; count += 80) {
            struct peer *held[100];

            begin(count, kinds[k]);
            for (unsigned i = 0; i < count; i++)
                servers[i].max_conns = 1;
            servers[3].is_down = true;
            bind_it();
            for (unsigned i = 0; i < count - 1; i++) {
                held[i] = pick_key("one key");
                assert_non_null(held[i]);
                assert_int_not_equal(number_of(held[i]), 3);
            }
            assert_null(pick_key("one key"));
            for (unsigned i = 0; i < count - 1; i++)
                done(held[i], (struct ending){ .status = 200 });
            end();
        }
}

/* ---- sticky ---- */

static int picked_for(const char *identity)
{
    struct pick_ask ask = { .now_ms = clock_mono_ms(), .bound = text_from(identity) };
    enum nobody     nobody;
    struct peer    *peer = group_pick(&upstream, &ask, &nobody);
    int             number = peer != NULL ? (int)number_of(peer) : -1;

    if (peer != NULL)
        done(peer, (struct ending){ .status = 200 });
    return number;
}

static void who_is_bound_gets_its_server_while_that_is_up(void **state)
{
    struct upstream first;
    struct peer    *held;

    (void)state;
    begin(60, (struct balance){ .method = BALANCE_ROUND_ROBIN });
    upstream.sticky.kind = STICKY_ROUTE;
    servers[7].route = TEXT("seven");
    servers[8].route = TEXT("seven");
    servers[9].route = TEXT("nine");
    servers[9].is_draining = true;
    servers[9].max_conns = 1;
    bind_it();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(picked_for("seven"), 7);
    for (unsigned i = 0; i < 120; i++)
        assert_int_not_equal(picked_for(i % 2 ? "" : "unknown"), 9);
    assert_int_equal(picked_for("nine"), 9);
    held = group_pick(&upstream, &(struct pick_ask){ .bound = TEXT("nine"), .now_ms = clock_mono_ms() },
                      &(enum nobody){ NOBODY_LIVE });
    assert_int_equal(number_of(held), 9);
    assert_int_not_equal(picked_for("nine"), 9);        /* full */
    done(held, (struct ending){ .status = 200 });
    first = upstream;
    servers[7].is_down = true;
    servers[9].route = TEXT("");
    bind_it();
    group_unbind(&first);
    assert_int_equal(picked_for("seven"), 8);
    assert_int_not_equal(picked_for("nine"), 9);
    end();
}

/* ---- least_time ---- */

static const struct balance by_head = { .method = BALANCE_LEAST_TIME, .is_timed = true };

static struct peer *pick(void)
{
    return pick_key("");
}

/* One request that takes so long, as the steps tell of it. */
static unsigned answered(int64_t head_us, int64_t whole_us, unsigned status)
{
    struct ending ending = { .picked_ms = clock_mono_ms(), .status = status, .head_us = head_us };
    struct peer  *peer = pick();
    unsigned      number = number_of(peer);

    group_head(peer, &ending);
    ending.whole_us = whole_us;
    done(peer, ending);
    return number;
}

static void each_gets_a_first_try_and_then_the_quickest(void **state)
{
    unsigned seen[3] = { 0 };

    (void)state;
    begin(3, by_head);
    bind_it();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(answered(i == 1 ? 1000 : 5000, 9000, 200), i);
    for (unsigned i = 0; i < 10; i++)
        seen[answered(1000, 9000, 200)]++;
    assert_int_equal(seen[1], 10);
    end();
}

static void who_is_tried_first_gets_one_request_only(void **state)
{
    struct peer *held[9];
    unsigned     seen[3] = { 0 };

    (void)state;
    begin(3, by_head);
    bind_it();
    for (unsigned i = 0; i < 9; i++)
        seen[number_of(held[i] = pick())]++;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(seen[i], 3);
    for (unsigned i = 0; i < 9; i++)
        done(held[i], (struct ending){ .status = 200 });
    end();
}

static void requests_in_flight_and_weights_count(void **state)
{
    struct peer *held[12];
    unsigned     seen[2] = { 0 };

    (void)state;
    begin(2, by_head);
    servers[0].weight = 2;
    bind_it();
    answered(1000, 1000, 200);
    answered(1000, 1000, 200);
    for (unsigned i = 0; i < 12; i++)
        seen[number_of(held[i] = pick())]++;
    assert_in_range(seen[0], 7, 9);
    for (unsigned i = 0; i < 12; i++)
        done(held[i], (struct ending){ .status = 200 });
    end();
}

static void the_last_byte_counts_when_it_is_asked_for(void **state)
{
    struct balance whole = by_head;

    (void)state;
    whole.is_whole = true;
    begin(2, whole);
    bind_it();
    assert_int_equal(answered(100, 9000, 200), 0);
    assert_int_equal(answered(5000, 6000, 200), 1);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(answered(5000, 6000, 200), 1);
    end();
}

static void errors_are_not_quick(void **state)
{
    unsigned seen[2] = { 0 };

    (void)state;
    begin(2, by_head);
    servers[0].max_fails = servers[1].max_fails = 0;
    bind_it();
    for (unsigned i = 0; i < 40; i++) {
        struct ending ending = { .picked_ms = clock_mono_ms(), .head_us = 10, .status = 500 };
        struct peer  *peer = pick();

        seen[number_of(peer)]++;
        if (number_of(peer) == 1)
            ending = (struct ending){ .picked_ms = ending.picked_ms, .head_us = 20000, .status = 200 };
        group_head(peer, &ending);
        done(peer, ending);
    }
    assert_in_range(seen[0], 1, 4);
    end();
}

static void open_ones_are_counted_exactly(void **state)
{
    struct balance       both = by_head;
    const struct group  *group;
    struct upstream      first;
    struct peer         *held[6];
    struct ending        endings[6];

    (void)state;
    both.has_inflight = true;
    begin(1, (struct balance){ .method = BALANCE_ROUND_ROBIN });
    bind_it();
    held[0] = pick();                    /* from before the method was timed */
    endings[0] = (struct ending){ .picked_ms = clock_mono_ms() };
    first = upstream;
    upstream.balance = both;
    bind_it();
    group_unbind(&first);
    group = upstream.group;
    while (clock_mono_ms() < group->timed_since_ms)
        ;
    for (unsigned i = 1; i < 6; i++) {
        struct pick_ask ask = { .now_ms = clock_mono_ms() };
        enum nobody     nobody;

        held[i] = group_pick(&upstream, &ask, &nobody);
        endings[i] = (struct ending){ .picked_ms = ask.now_ms, .is_failure = i == 5 };
    }
    assert_int_equal(held[0]->open_count, 5);
    endings[1].head_us = 1000;
    group_head(held[1], &endings[1]);
    assert_int_equal(held[0]->open_count, 4);
    for (unsigned i = 0; i < 5; i++)
        done(held[i], endings[i]);
    assert_int_equal(held[5]->open_count, 1);
    assert_int_equal(held[5]->open_since_ms, endings[5].picked_ms);
    group = held[5]->group;
    done(held[5], endings[5]);
    assert_int_equal(group->peers->open_count, 0);
    assert_int_equal(group->peers->open_since_ms, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_try_goes_elsewhere_and_always_there),
        cmocka_unit_test(a_ring_outlives_a_configuration),
        cmocka_unit_test(a_ring_follows_its_servers),
        cmocka_unit_test(large_weights_stay_in_bounds),
        cmocka_unit_test(bounds_follow_the_weights),
        cmocka_unit_test(the_full_and_the_failed_are_passed_over),
        cmocka_unit_test(who_is_bound_gets_its_server_while_that_is_up),
        cmocka_unit_test(each_gets_a_first_try_and_then_the_quickest),
        cmocka_unit_test(who_is_tried_first_gets_one_request_only),
        cmocka_unit_test(requests_in_flight_and_weights_count),
        cmocka_unit_test(the_last_byte_counts_when_it_is_asked_for),
        cmocka_unit_test(errors_are_not_quick),
        cmocka_unit_test(open_ones_are_counted_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
