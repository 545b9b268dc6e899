// SPDX-License-Identifier: MIT
/* Windows that grow, and fall back. How long the path is, is what the test says. */
#include "h2_peer.h"

#include "base/budget.h"
#include "http/h2_parts.h"

enum { FIRST = 65535, PIECE = 8 * 1024, GROWN_MOST = 64 * FIRST, CONN_MOST = 16 * 1024 * 1024,
       POT = 8 * 1024 * 1024 };
enum { FAR_US = 100 * 1000 };

static struct h2_codec *h2;

static void begin(int64_t path_us)
{
    peer_begin(h2_server_new(&peer_limits, &peer_settings, &peer.host));
    peer_say_bytes(NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    peer_say(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    peer_say(NGHTTP2_SETTINGS, ACK, 0, NULL, 0);
    peer_hear();
    h2 = h2_of_codec(peer.codec);
    h2->path_us = path_us;
}

static struct owner *upload(uint32_t id, const char *length)
{
    char lines[200];

    (void)snprintf(lines, sizeof(lines), POST "%s", length);
    peer_say_head(id, 0, lines);
    return &peer.owners[peer.owner_count - 1];
}

static void take(struct owner *owner)
{
    pipe_drop(&owner->rx, owner->rx.fill);
    peer_tasks_run();
}

/* So much comes; all of it is taken at once, or nothing. */
static void pour(uint32_t id, struct owner *taker, size_t len)
{
    static const unsigned char bytes[PIECE];

    for (size_t sent = 0; sent < len; sent += PIECE) {
        peer_say(NGHTTP2_DATA, 0, id, bytes, PIECE);
        if (taker != NULL)
            take(taker);
        peer_hear();
        peer.frame_count = 0;
        peer.wire_len = peer.parsed = 0;
    }
}

static int32_t window(int32_t id)
{
    return nghttp2_session_get_stream_effective_local_window_size(h2->engine, id);
}

static int32_t conn_window(void)
{
    return nghttp2_session_get_effective_local_window_size(h2->engine);
}

static void a_far_sender_gets_a_larger_window(void **state)
{
    struct owner *owner;

    (void)state;
    begin(FAR_US);
    owner = upload(1, "");
    pour(1, owner, FIRST - PIECE);
    assert_int_equal(window(1), FIRST);
    assert_int_equal(conn_window(), FIRST);
    pour(1, owner, PIECE);
    assert_int_equal(window(1), 2 * FIRST);
    assert_int_equal(conn_window(), 2 * FIRST);
    pour(1, owner, 16 * GROWN_MOST);
    assert_int_equal(window(1), GROWN_MOST);
    assert_int_equal(conn_window(), CONN_MOST);
    owner_leave(owner);
}

static void a_near_one_does_not(void **state)
{
    struct owner *owner;

    (void)state;
    begin(999);
    owner = upload(1, "");
    pour(1, owner, 4 * FIRST);
    assert_int_equal(window(1), FIRST);
    assert_int_equal(conn_window(), FIRST);
    owner_leave(owner);
    peer_tasks_run();
    h2->path_us = 1000;
    owner = upload(3, "");
    pour(3, owner, FIRST + PIECE);
    assert_int_equal(window(3), 2 * FIRST);
    owner_leave(owner);
}

/* Two lengths of the path for a window's bytes, and no more. */
static void a_slow_one_does_not(void **state)
{
    struct owner *owner;

    (void)state;
    begin(5 * 1000);
    owner = upload(1, "");
    pour(1, owner, PIECE);
    peer_wait(20);
    pour(1, owner, FIRST);
    assert_int_equal(window(1), FIRST);
    owner_leave(owner);
}

static void a_rest_that_fits_needs_none(void **state)
{
    struct owner *owner;

    (void)state;
    begin(FAR_US);
    owner = upload(1, "content-length 131000\n");
    pour(1, owner, FIRST + PIECE);
    assert_int_equal(window(1), FIRST);
    owner_leave(owner);
}

/* Its pipe takes a piece at a time. */
static struct owner *grown_once(void)
{
    struct owner *owner;

    peer.pipe_bytes = PIECE;
    begin(FAR_US);
    owner = upload(1, "");
    pour(1, owner, FIRST + PIECE);
    assert_int_equal(window(1), 2 * FIRST);
    return owner;
}

/* Put aside is what the pipe has no room for; who takes nothing for long gets no more than the settings say. */
static void it_falls_back_when_nobody_takes(void **state)
{
    struct owner *owner = grown_once();

    (void)state;
    pour(1, NULL, FIRST);
    assert_int_equal(window(1), 2 * FIRST);
    peer_wait(250);
    pour(1, NULL, PIECE);
    assert_int_equal(window(1), FIRST);
    while (owner->rx.fill > 0)
        take(owner);
    assert_int_equal(h2->is_lost, 0);
    pour(1, owner, FIRST + PIECE);
    assert_int_equal(window(1), 2 * FIRST);
    owner_leave(owner);
}

/* Taken in between, however large the bursts. */
static void bursts_are_no_stall(void **state)
{
    struct owner *owner = grown_once();

    (void)state;
    for (int i = 0; i < 3; i++) {
        pour(1, NULL, FIRST);
        while (owner->rx.fill > 0)
            take(owner);
        peer_wait(150);
    }
    assert_true(window(1) >= 2 * FIRST);
    owner_leave(owner);
}

/* What came and is not taken counts, though the window has fallen back. */
static void what_waits_is_not_back_in_the_pot(void **state)
{
    struct owner *first, *second;

    (void)state;
    budget_set(16 * 4 * FIRST);          /* the pot: four times the first window */
    peer.pipe_bytes = PIECE;
    begin(FAR_US);
    first = upload(1, "");
    second = upload(3, "");
    pour(1, first, 16 * FIRST);
    assert_true(window(1) > 3 * FIRST);
    pour(1, NULL, 3 * FIRST);
    peer_wait(250);
    take(first);
    assert_int_equal(window(1), FIRST);
    pour(3, second, 16 * FIRST);
    assert_true(window(3) < 2 * FIRST);
    while (first->rx.fill > 0)
        take(first);
    pour(3, second, 16 * FIRST);
    assert_true(window(3) > 3 * FIRST);
    owner_leave(first);
    owner_leave(second);
    budget_set(UINT64_MAX);
}

/* Half of what is left for each step, so that there is some for others. */
static void all_growth_together_is_bounded(void **state)
{
    struct owner *owners[8];
    int64_t       all = 0;

    (void)state;
    begin(FAR_US);
    for (uint32_t i = 0; i < 8; i++) {
        owners[i] = upload(2 * i + 1, "");
        pour(2 * i + 1, owners[i], 8 * GROWN_MOST);
        all += window((int32_t)(2 * i + 1)) - FIRST;
    }
    assert_int_equal(window(1), GROWN_MOST);
    assert_true(window(5) > 2 * FIRST);
    assert_true(all > POT - 256 * 1024 && all <= POT);
    for (int i = 0; i < 8; i++)
        owner_leave(owners[i]);
    peer_tasks_run();
    owners[0] = upload(17, "");
    pour(17, owners[0], 8 * GROWN_MOST);
    assert_int_equal(window(17), GROWN_MOST);
    owner_leave(owners[0]);
}

/* A sixteenth of what the process may hold, if that is less. */
static void little_memory_makes_it_less(void **state)
{
    struct owner *owner;

    (void)state;
    budget_set(16 * 2 * FIRST);
    begin(FAR_US);
    owner = upload(1, "");
    pour(1, owner, 16 * FIRST);
    assert_true(window(1) > 2 * FIRST && window(1) < 3 * FIRST);
    owner_leave(owner);
    budget_set(UINT64_MAX);
}

static void the_path_is_measured(void **state)
{
    struct owner *owner;
    struct frame *frame;
    unsigned char mark[8];

    (void)state;
    begin(0);
    owner = upload(1, "");
    peer_say(NGHTTP2_PING, ACK, 0, "windows", 8);
    assert_int_equal(h2->path_us, 0);    /* nobody asked */
    for (int i = 0; i < 4; i++) {
        static const unsigned char bytes[PIECE];

        peer_say(NGHTTP2_DATA, 0, 1, bytes, PIECE);
        take(owner);
    }
    frame = peer_heard(NGHTTP2_PING, 0);
    assert_non_null(frame);
    memcpy(mark, frame->payload, 8);
    assert_null(peer_heard(NGHTTP2_PING, 0));
    peer_wait(20);
    peer_say(NGHTTP2_PING, ACK, 0, "another", 8);
    assert_int_equal(h2->path_us, 0);
    peer_say(NGHTTP2_PING, ACK, 0, mark, 8);
    assert_true(h2->path_us >= 15 * 1000);
    owner_leave(owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PEER(a_far_sender_gets_a_larger_window),
        WITH_PEER(a_near_one_does_not),
        WITH_PEER(a_slow_one_does_not),
        WITH_PEER(a_rest_that_fits_needs_none),
        WITH_PEER(it_falls_back_when_nobody_takes),
        WITH_PEER(bursts_are_no_stall),
        WITH_PEER(what_waits_is_not_back_in_the_pot),
        WITH_PEER(all_growth_together_is_bounded),
        WITH_PEER(little_memory_makes_it_less),
        WITH_PEER(the_path_is_measured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
