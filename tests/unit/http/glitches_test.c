// SPDX-License-Identifier: MIT
/* glitches: each limit on both sides, and busy clients that must never meet one. */
#include "base/unit.h"

#include "http/glitches.h"

/* ---- limits ---- */

static void useless_frames_use_up_the_bucket(void **state)
{
    struct glitches glitches;

    (void)state;
    glitches_init(&glitches, 0);
    for (int i = 0; i < GLITCHES_MOST; i++)
        assert_true(glitches_useless(&glitches, 0));
    assert_false(glitches_useless(&glitches, 0));
    assert_false(glitches_useless(&glitches, 99));
    assert_true(glitches_useless(&glitches, 100));
    assert_false(glitches_useless(&glitches, 100));
}

static void time_brings_no_more_than_the_capacity(void **state)
{
    struct glitches glitches;
    int64_t         later = INT64_C(1) << 40;

    (void)state;
    glitches_init(&glitches, 0);
    for (int i = 0; i < GLITCHES_MOST; i++)
        assert_true(glitches_useless(&glitches, later));
    assert_false(glitches_useless(&glitches, later));
}

/* However often it is asked, no part of the time is lost. */
static void time_is_counted_whole(void **state)
{
    struct glitches glitches;
    unsigned        passed = 0;

    (void)state;
    glitches_init(&glitches, 0);
    for (int64_t now_ms = 1; now_ms <= 10000; now_ms++)
        for (int i = 0; i < 20; i++)
            passed += glitches_useless(&glitches, now_ms);
    assert_int_equal(passed, GLITCHES_MOST + 10 * GLITCHES_PER_S);
}

static unsigned left(struct glitches *glitches)
{
    unsigned count = 0;

    while (glitches_useless(glitches, 0))
        count++;
    return count;
}

static void work_earns(void **state)
{
    struct glitches glitches;

    (void)state;
    glitches_init(&glitches, 0);
    left(&glitches);
    glitches_request(&glitches);
    assert_int_equal(left(&glitches), GLITCHES_PER_REQUEST);
    glitches_data_sent(&glitches);
    assert_int_equal(left(&glitches), GLITCHES_PER_DATA_SENT);
    assert_true(glitches_data(&glitches, GLITCHES_PAYLOAD_BYTES - 1, false, 0));
    assert_int_equal(left(&glitches), 0);
    assert_true(glitches_data(&glitches, 1, false, 0));
    assert_int_equal(left(&glitches), 1);
    assert_true(glitches_data(&glitches, 0, true, 0));
    assert_int_equal(left(&glitches), 0);
}

static void empty_data_in_a_row_is_bounded(void **state)
{
    struct glitches glitches;

    (void)state;
    glitches_init(&glitches, 0);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < GLITCHES_EMPTY_MOST; i++)
            assert_true(glitches_data(&glitches, 0, false, 0));
        if (turn == 0)
            assert_true(glitches_data(&glitches, 1, false, 0));
    }
    assert_false(glitches_data(&glitches, 0, false, 0));
}

static void pieces_of_a_block_are_bounded(void **state)
{
    struct glitches glitches;

    (void)state;
    glitches_init(&glitches, 0);
    for (int block = 0; block < 3; block++) {
        glitches_block(&glitches);
        for (int i = 0; i < GLITCHES_PIECES_MOST; i++)
            assert_true(glitches_continuation(&glitches, 1));
    }
    assert_false(glitches_continuation(&glitches, 1));

    glitches_block(&glitches);
    for (int i = 0; i < GLITCHES_EMPTY_PIECES_MOST; i++)
        assert_true(glitches_continuation(&glitches, 0));
    assert_false(glitches_continuation(&glitches, 0));
}

static void resets_are_bounded_in_their_time(void **state)
{
    struct glitches glitches;

    (void)state;
    glitches_init(&glitches, 1000);
    for (int i = 0; i < GLITCHES_RESETS_MOST; i++)
        assert_true(glitches_reset(&glitches, 1000 + i));
    assert_false(glitches_reset(&glitches, 1100));
    assert_false(glitches_reset(&glitches, 1000 + GLITCHES_RESETS_MS - 1));
    assert_true(glitches_reset(&glitches, 1000 + GLITCHES_RESETS_MS));
}

/* A rapid reset (CVE-2023-44487) at any pace above the limit is found. */
static void steady_resets_are_found(void **state)
{
    struct glitches glitches;
    int64_t         now_ms = 0;

    (void)state;
    glitches_init(&glitches, 0);
    while (now_ms < 3600 * 1000 && glitches_reset(&glitches, now_ms))
        now_ms += 200;
    assert_true(now_ms <= GLITCHES_RESETS_MS);
}

/* ---- busy clients ---- */

/* h2load -n 100000: nothing but requests, and a window for the connection now and then. */
static void a_hundred_thousand_requests_pass(void **state)
{
    struct glitches glitches;

    (void)state;
    glitches_init(&glitches, 0);
    for (int i = 0; i < 100000; i++) {
        glitches_block(&glitches);
        glitches_request(&glitches);
        glitches_data_sent(&glitches);
        assert_true(glitches_useless(&glitches, 0));   /* WINDOW_UPDATE of the connection */
    }
}

/* Firefox: a window and a priority with every request; then a reload: streams are reset. */
static void a_browser_passes(void **state)
{
    struct glitches glitches;
    int64_t         now_ms = 0;

    (void)state;
    glitches_init(&glitches, 0);
    for (int page = 0; page < 100; page++, now_ms += 10000) {
        for (int i = 0; i < 100; i++) {
            glitches_block(&glitches);
            glitches_request(&glitches);
            assert_true(glitches_useless(&glitches, now_ms));
            assert_true(glitches_useless(&glitches, now_ms));
        }
        for (int i = 0; i < 25; i++)
            assert_true(glitches_reset(&glitches, now_ms));
    }
}

/* A download whose reader gives back both windows for each frame, and pings to measure the path. */
static void a_window_for_each_frame_passes(void **state)
{
    struct glitches glitches;

    (void)state;
    glitches_init(&glitches, 0);
    glitches_request(&glitches);
    for (int i = 0; i < 100000; i++) {
        glitches_data_sent(&glitches);
        for (int frame = 0; frame < 3; frame++)
            assert_true(glitches_useless(&glitches, 0));
    }
}

/* gRPC: small messages both ways for a day, a ping for each that came and keepalives in between. */
static void a_stream_of_small_messages_passes(void **state)
{
    struct glitches glitches;

    (void)state;
    glitches_init(&glitches, 0);
    glitches_request(&glitches);
    for (int64_t now_ms = 0; now_ms < 24 * 3600 * 1000; now_ms += 500) {
        assert_true(glitches_data(&glitches, 20, false, now_ms));
        glitches_data_sent(&glitches);
        assert_true(glitches_useless(&glitches, now_ms));
        assert_true(glitches_useless(&glitches, now_ms + 250));
    }
}

/* Many small uploads, each of which ends with an empty frame. */
static void small_uploads_pass(void **state)
{
    struct glitches glitches;

    (void)state;
    glitches_init(&glitches, 0);
    for (int i = 0; i < 100000; i++) {
        glitches_block(&glitches);
        glitches_request(&glitches);
        assert_true(glitches_data(&glitches, 10, false, 0));
        assert_true(glitches_data(&glitches, 0, true, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(useless_frames_use_up_the_bucket),
        cmocka_unit_test(time_brings_no_more_than_the_capacity),
        cmocka_unit_test(time_is_counted_whole),
        cmocka_unit_test(work_earns),
        cmocka_unit_test(empty_data_in_a_row_is_bounded),
        cmocka_unit_test(pieces_of_a_block_are_bounded),
        cmocka_unit_test(resets_are_bounded_in_their_time),
        cmocka_unit_test(steady_resets_are_found),
        cmocka_unit_test(a_hundred_thousand_requests_pass),
        cmocka_unit_test(a_browser_passes),
        cmocka_unit_test(a_window_for_each_frame_passes),
        cmocka_unit_test(a_stream_of_small_messages_passes),
        cmocka_unit_test(small_uploads_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
