// SPDX-License-Identifier: MIT
/* health, ejection: who is left out, for how long, and how slowly it comes back. */
#include "base/unit.h"

#include "balance/health.h"

#include "balance/group.h"
#include "base/clock.h"

enum { SERVERS_MOST = 100, HOUR_MS = 3600 * 1000 };

static struct upstream_server servers[SERVERS_MOST];
static struct upstream        upstream;
static struct loop           *control;
static int64_t                ahead_ms;  /* of the clock: what picks take for now */

static void begin(unsigned count)
{
    control = loop_new(0);
    ahead_ms = 0;
    memset(servers, 0, sizeof(servers));
    for (unsigned i = 0; i < count; i++) {
        servers[i] = (struct upstream_server){ .name = TEXT("x"), .host = TEXT(""),
                                               .has_address = true, .weight = 1 };
        assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 1000 + i, &servers[i].address), 0);
    }
    upstream = (struct upstream){ .name = TEXT("backend"), .servers = servers,
                                  .server_count = count };
    upstream.ejection = (struct ejection){ .consecutive = 3, .requests = 20, .interval_ms = HOUR_MS,
                                           .base_ms = 30000, .most = 50 };
}

/* As a reload does: the old one is let go of afterwards. */
static void rebind(void)
{
    struct upstream former = upstream;

    group_bind(&upstream, control);
    group_unbind(&former);
}

static void end(void)
{
    group_unbind(&upstream);
    loop_free(&control);
}

static struct peer *pick(void)
{
    struct pick_ask ask = { .now_ms = clock_mono_ms() + ahead_ms };
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

/* One request after the other; `bad` ones (a bit each) are answered 500. Counts who was asked. */
static void ask(unsigned count, unsigned bad, unsigned seen[SERVERS_MOST])
{
    memset(seen, 0, SERVERS_MOST * sizeof(*seen));
    for (unsigned i = 0; i < count; i++) {
        struct peer *peer = pick();

        assert_non_null(peer);
        seen[number_of(peer)]++;
        done(peer, false, number_of(peer) < 32 && bad >> number_of(peer) & 1 ? 500 : 200);
    }
}

/* ---- ejection ---- */

static void bad_answers_in_a_row_eject(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(3);
    upstream.ejection.is_on = true;
    group_bind(&upstream, control);
    ask(6, 1u << 1, seen);               /* two bad ones, */
    ask(3, 0, seen);                     /* then a good one */
    ask(30, 1u << 1, seen);
    assert_int_equal(seen[1], 3);
    assert_in_range(seen[0], 13, 14);
    end();
}

static void without_the_directive_nobody_is_ejected(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(3);
    group_bind(&upstream, control);
    ask(30, 1u << 1, seen);
    assert_int_equal(seen[1], 10);
    end();
}

static void never_more_than_half(void **state)
{
    unsigned seen[SERVERS_MOST], asked = 0;

    (void)state;
    begin(5);
    upstream.ejection.is_on = true;
    group_bind(&upstream, control);
    ask(100, 0x1f, seen);
    ask(60, 0x1f, seen);
    for (unsigned i = 0; i < 5; i++)
        asked += seen[i] > 0;
    assert_int_equal(asked, 3);
    end();
}

static void at_most_as_many_as_said_but_one(void **state)
{
    unsigned seen[SERVERS_MOST], asked = 0;

    (void)state;
    begin(5);
    upstream.ejection.is_on = true;
    upstream.ejection.most = 10;
    group_bind(&upstream, control);
    ask(100, 0x1f, seen);
    ask(60, 0x1f, seen);
    for (unsigned i = 0; i < 5; i++)
        asked += seen[i] > 0;
    assert_int_equal(asked, 4);
    end();
}

static void a_lone_server_is_never_ejected(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(1);
    upstream.ejection.is_on = true;
    group_bind(&upstream, control);
    ask(30, 1, seen);
    assert_int_equal(seen[0], 30);
    end();
}

static void each_time_twice_as_long(void **state)
{
    static const int64_t lengths_s[] = { 30, 60, 120, 240, 480, 480 };
    unsigned             seen[SERVERS_MOST];

    (void)state;
    begin(2);
    upstream.ejection.is_on = true;
    upstream.ejection.consecutive = 1;
    group_bind(&upstream, control);
    for (unsigned i = 0; i < 6; i++) {
        ask(4, 1, seen);
        assert_int_equal(seen[0], 1);
        ahead_ms += lengths_s[i] * 1000 - 2000;
        ask(4, 0, seen);
        assert_int_equal(seen[0], 0);
        ahead_ms += 3000;
        ask(4, 0, seen);
        assert_in_range(seen[0], 1, 3);
        ahead_ms = 0;                    /* requests end by the real clock: it is all one moment */
    }
    end();
}

/* Asks until the first one is ejected (again), as if its last ejection had been so long ago; how long
 * for. */
static int64_t eject_after(struct peer *first, int64_t ago_ms)
{
    unsigned seen[SERVERS_MOST];

    if (first->ejected_ms != 0)
        first->ejected_ms -= ago_ms;
    first->ejected_until_ms = 0;
    ask(4, 1, seen);
    return first->ejected_until_ms - first->ejected_ms;
}

static void behaving_takes_ejections_off(void **state)
{
    struct peer *first;

    (void)state;
    begin(2);
    upstream.ejection.is_on = true;
    upstream.ejection.consecutive = 1;
    group_bind(&upstream, control);
    first = peer_ref(pick());
    assert_int_equal(number_of(first), 0);
    done(first, false, 200);
    assert_int_equal(eject_after(first, 0), 30000);
    assert_int_equal(eject_after(first, 31000), 60000);      /* it was out for all of that */
    assert_int_equal(eject_after(first, 60000 + 29000), 120000);
    assert_int_equal(eject_after(first, 120000 + 61000), 60000);   /* two off: as before both */
    peer_unref(&first);
    end();
}

static void a_share_far_above_the_others_ejects(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(3);
    upstream.ejection.is_on = true;
    upstream.ejection.consecutive = 0;
    upstream.ejection.rate = 30;
    upstream.ejection.interval_ms = 1;
    upstream.ejection.requests = 1;
    group_bind(&upstream, control);
    for (unsigned i = 0; i < 4; i++) {   /* intervals end as soon as two milliseconds have passed */
        int64_t until_ms = clock_mono_ms() + 2;

        ask(3, 1, seen);
        while (clock_mono_ms() < until_ms)
            continue;
    }
    ask(30, 1, seen);
    assert_int_equal(seen[0], 0);
    end();
}

static void when_all_are_bad_the_shares_are_equal(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(3);
    upstream.ejection = (struct ejection){ .is_on = true, .rate = 30, .requests = 1,
                                           .interval_ms = 1, .base_ms = 30000, .most = 50 };
    group_bind(&upstream, control);
    for (unsigned i = 0; i < 4; i++) {
        int64_t until_ms = clock_mono_ms() + 2;

        ask(3, 7, seen);
        while (clock_mono_ms() < until_ms)
            continue;
    }
    ask(30, 7, seen);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(seen[i], 10);
    end();
}

static void a_reload_without_it_takes_all_back(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(3);
    upstream.ejection.is_on = true;
    group_bind(&upstream, control);
    ask(30, 1, seen);
    rebind();
    ask(30, 1, seen);
    assert_int_equal(seen[0], 0);
    upstream.ejection.is_on = false;
    rebind();
    ask(30, 1, seen);
    assert_in_range(seen[0], 9, 10);
    end();
}

static void when_the_others_fail_the_ejected_one_is_asked(void **state)
{
    unsigned     seen[SERVERS_MOST];
    struct peer *peer;

    (void)state;
    begin(2);
    upstream.ejection.is_on = true;
    servers[0].max_fails = servers[1].max_fails = 1;
    servers[0].fail_timeout_ms = servers[1].fail_timeout_ms = HOUR_MS;
    group_bind(&upstream, control);
    ask(12, 1, seen);
    done(pick(), true, 0);               /* 1 fails, 0 is ejected: */
    ahead_ms = 600;
    peer = pick();
    assert_non_null(peer);
    assert_int_equal(number_of(peer), 0);
    done(peer, false, 200);
    ask(5, 0, seen);                     /* and it is well again */
    assert_int_equal(seen[0], 5);
    end();
}

static void a_long_list_leaves_the_ejected_out(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(40);
    upstream.ejection.is_on = true;
    group_bind(&upstream, control);
    ask(200, 1u << 7, seen);
    assert_int_equal(seen[7], 3);
    ask(200, 1u << 7, seen);
    assert_int_equal(seen[7], 0);
    ahead_ms = 31000;
    ask(400, 0, seen);
    assert_in_range(seen[7], 5, 15);
    end();
}

/* ---- slow start ---- */

static void fail_and_return(unsigned number)
{
    struct peer *held[3], *peer = NULL;

    for (unsigned i = 0; i < 3; i++) {
        held[i] = pick();
        if (number_of(held[i]) == number)
            peer = held[i];
        else
            done(held[i], false, 200);
    }
    assert_non_null(peer);
    done(peer, true, 0);
    ahead_ms = 1;                        /* fail_timeout=0: at once it is asked again, */
    do {
        peer = pick();
        done(peer, false, 200);          /* and answers */
    } while (number_of(peer) != number);
    ahead_ms = 0;
}

static void the_weight_of_one_that_failed_grows(void **state)
{
    static const int64_t seconds[] = { 0, 25, 50, 100 };
    static const unsigned least[] = { 0, 17, 35, 66 }, most[] = { 6, 24, 45, 67 };
    unsigned              seen[SERVERS_MOST];

    (void)state;
    begin(3);
    servers[1].max_fails = 1;
    servers[1].slow_start_ms = 100 * 1000;
    group_bind(&upstream, control);
    fail_and_return(1);
    for (unsigned i = 0; i < 4; i++) {
        ahead_ms = seconds[i] * 1000;
        ask(200, 0, seen);
        assert_in_range(seen[1], least[i], most[i]);
    }
    end();
}

/* While others have requests in flight, one that starts slowly is idle and must not draw them all. */
static void a_slow_one_is_not_flooded_for_being_idle(void **state)
{
    struct peer *held[20];
    unsigned     seen[SERVERS_MOST];

    (void)state;
    begin(3);
    servers[1].max_fails = 1;
    servers[1].slow_start_ms = 100 * 1000;
    group_bind(&upstream, control);
    fail_and_return(1);
    for (unsigned i = 0; i < 20; i++)
        held[i] = pick();
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 20; i++)
        seen[number_of(held[i])]++;
    assert_in_range(seen[1], 0, 1);
    for (unsigned i = 0; i < 20; i++)
        done(held[i], false, 200);
    end();
}

static void one_that_joins_or_is_up_again_starts_slowly(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(3);
    for (unsigned i = 0; i < 3; i++)
        servers[i].slow_start_ms = 100 * 1000;
    servers[2].is_down = true;
    upstream.server_count = 3;
    group_bind(&upstream, control);
    ask(100, 0, seen);                   /* nobody is slow at the start */
    assert_int_equal(seen[0], 50);
    servers[2].is_down = false;
    rebind();
    ask(100, 0, seen);
    assert_in_range(seen[2], 0, 3);
    ahead_ms = 101 * 1000;
    ask(99, 0, seen);
    assert_in_range(seen[2], 30, 36);
    ahead_ms = 0;
    servers[1].address = (struct address){ 0 };
    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 1009, &servers[1].address), 0);
    rebind();
    ask(100, 0, seen);
    assert_in_range(seen[9], 0, 3);
    end();
}

static void one_that_was_ejected_starts_slowly(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(3);
    upstream.ejection.is_on = true;
    for (unsigned i = 0; i < 3; i++)
        servers[i].slow_start_ms = 100 * 1000;
    group_bind(&upstream, control);
    ask(30, 1, seen);
    ahead_ms = 31 * 1000;
    ask(100, 0, seen);
    assert_in_range(seen[0], 0, 3);
    ahead_ms += 101 * 1000;
    ask(99, 0, seen);
    assert_in_range(seen[0], 30, 36);
    end();
}

static void in_a_long_list_too(void **state)
{
    unsigned seen[SERVERS_MOST];

    (void)state;
    begin(50);
    for (unsigned i = 0; i < 50; i++)
        servers[i].slow_start_ms = 100 * 1000;
    servers[7].is_down = true;
    group_bind(&upstream, control);
    ask(100, 0, seen);
    servers[7].is_down = false;
    rebind();
    ask(1000, 0, seen);
    assert_in_range(seen[7], 0, 2);
    ahead_ms = 101 * 1000;
    ask(1000, 0, seen);
    assert_in_range(seen[7], 17, 23);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_answers_in_a_row_eject),
        cmocka_unit_test(without_the_directive_nobody_is_ejected),
        cmocka_unit_test(never_more_than_half),
        cmocka_unit_test(at_most_as_many_as_said_but_one),
        cmocka_unit_test(a_lone_server_is_never_ejected),
        cmocka_unit_test(each_time_twice_as_long),
        cmocka_unit_test(behaving_takes_ejections_off),
        cmocka_unit_test(a_share_far_above_the_others_ejects),
        cmocka_unit_test(when_all_are_bad_the_shares_are_equal),
        cmocka_unit_test(a_reload_without_it_takes_all_back),
        cmocka_unit_test(when_the_others_fail_the_ejected_one_is_asked),
        cmocka_unit_test(a_long_list_leaves_the_ejected_out),
        cmocka_unit_test(the_weight_of_one_that_failed_grows),
        cmocka_unit_test(a_slow_one_is_not_flooded_for_being_idle),
        cmocka_unit_test(one_that_joins_or_is_up_again_starts_slowly),
        cmocka_unit_test(one_that_was_ejected_starts_slowly),
        cmocka_unit_test(in_a_long_list_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
