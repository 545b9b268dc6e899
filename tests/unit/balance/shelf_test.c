// SPDX-License-Identifier: MIT
/* shelf: who is closed first, and that a sweep reaches everybody. */
#include "base/unit.h"

#include "balance/shelf.h"

#include <sys/socket.h>

#include "balance/group.h"
#include "net/room.h"

enum { UPSTREAMS = 2, PAIRS_MOST = 200, NEVER_MS = 1000 * 1000 };

static struct upstream_server server;
static struct upstream        upstreams[UPSTREAMS];
static struct peer           *peers[UPSTREAMS];
static struct loop           *control;
static int                    far_ends[PAIRS_MOST];
static unsigned               pair_count;
static int64_t                swept_ms = 1000;

static struct peer *peer_of(struct upstream *upstream)
{
    struct pick_ask ask = { .now_ms = 1 };
    enum nobody     nobody;

    return group_pick(upstream, &ask, &nobody);
}

static int begin(void **state)
{
    static const struct text names[UPSTREAMS] = { TEXT("one"), TEXT("other") };

    (void)state;
    control = loop_new(0);
    server = (struct upstream_server){ .name = TEXT("x"), .host = TEXT(""), .has_address = true,
                                       .weight = 1, .max_fails = 1, .fail_timeout_ms = 10000 };
    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 1000, &server.address), 0);
    for (unsigned i = 0; i < UPSTREAMS; i++) {
        upstreams[i] =
            (struct upstream){ .name = names[i], .servers = &server, .server_count = 1 };
        group_bind(&upstreams[i], control);
        peers[i] = peer_of(&upstreams[i]);
        assert_non_null(peers[i]);
    }
    pair_count = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)shelf_close_oldest(NULL, PAIRS_MOST);
    assert_int_equal(shelf_count(), 0);
    for (unsigned i = 0; i < pair_count; i++)
        if (far_ends[i] >= 0)
            close(far_ends[i]);
    for (unsigned i = 0; i < UPSTREAMS; i++) {
        struct ending ending = { .status = 200 };
        bool          is_now_down;

        group_done(&peers[i], &ending, &is_now_down);
        group_unbind(&upstreams[i]);
    }
    loop_free(&control);
    return 0;
}

/* Its number. */
static unsigned put(struct peer *peer, int64_t until_ms)
{
    int            ends[2];
    struct shelved shelved = { .until_ms = until_ms };

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    room_conn_opened();
    room_conn_shelved();
    shelved.fd = ends[0];
    far_ends[pair_count] = ends[1];
    shelf_put(peer, &shelved);
    return pair_count++;
}

static void hang_up(unsigned number)
{
    close(far_ends[number]);
    far_ends[number] = -1;
}

static bool is_closed(unsigned number)
{
    char byte;

    return recv(far_ends[number], &byte, 1, MSG_DONTWAIT) == 0;
}

static void sweep(void)
{
    swept_ms += SHELF_SWEEP_MS;
    shelf_sweep(swept_ms);
}

static void the_oldest_of_a_group_goes_first(void **state)
{
    unsigned older = put(peers[0], NEVER_MS), first = put(peers[1], NEVER_MS);
    unsigned between = put(peers[0], NEVER_MS), second = put(peers[1], NEVER_MS);

    (void)state;
    assert_int_equal(shelf_close_oldest(peers[1]->group, 1), 1);
    assert_true(is_closed(first));
    assert_false(is_closed(older) || is_closed(between) || is_closed(second));
    assert_int_equal(shelf_close_oldest(NULL, 1), 1);
    assert_true(is_closed(older));
    assert_int_equal(shelf_close_oldest(peers[1]->group, 5), 1);
    assert_false(is_closed(between));
    assert_int_equal(shelf_close_oldest(peers[1]->group, 1), 0);
}

static void whoever_is_taken_is_in_no_list(void **state)
{
    unsigned       older = put(peers[0], NEVER_MS);
    struct shelved shelved;

    (void)state;
    (void)put(peers[0], NEVER_MS);
    assert_true(shelf_take(peers[0], &shelved));
    close(shelved.fd);
    assert_int_equal(shelf_close_oldest(peers[0]->group, 5), 1);
    assert_true(is_closed(older));
}

/* More than one sweep looks at between two locks, and the last of them too. */
static void a_sweep_reaches_everybody(void **state)
{
    unsigned dead = 0;

    (void)state;
    for (unsigned i = 0; i < PAIRS_MOST; i++)
        (void)put(peers[i % UPSTREAMS], i % 5 == 0 ? 1 : NEVER_MS);
    for (unsigned i = 0; i < PAIRS_MOST; i++)
        if (i % 5 == 0 || i % 3 == 0 || i + 1 == PAIRS_MOST)
            dead++;
    for (unsigned i = 0; i < PAIRS_MOST; i++)
        if (i % 5 != 0 && (i % 3 == 0 || i + 1 == PAIRS_MOST))
            hang_up(i);
    sweep();
    assert_int_equal(shelf_count(), PAIRS_MOST - dead);
    for (unsigned i = 0; i < PAIRS_MOST; i++)
        if (far_ends[i] >= 0)
            assert_int_equal(is_closed(i), i % 5 == 0);
    sweep();
    assert_int_equal(shelf_count(), PAIRS_MOST - dead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_of_a_group_goes_first, begin, end),
        cmocka_unit_test_setup_teardown(whoever_is_taken_is_in_no_list, begin, end),
        cmocka_unit_test_setup_teardown(a_sweep_reaches_everybody, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
