// SPDX-License-Identifier: MIT
/* pipe: bytes come out as they went in, the writer is stopped and woken, little pieces are gathered,
 * and what was kept can be read again. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/must.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/shortage.h"
#include "net/lane.h"
#include "net/pipe.h"
#include "net/task_queue.h"

enum { HIGH = 64 * 1024 };

struct end {
    struct task task;
    unsigned    wakes, runs;
};

static struct end  writer, reader;
static struct pipe body;

static void end_run(struct task *task, unsigned wakes)
{
    struct end *end = container_of(task, struct end, task);

    end->wakes |= wakes;
    end->runs++;
}

static void tasks_run(void)
{
    while (task_queue_run(task_queue_self(), 1)) {
    }
}

static unsigned wakes_of(struct end *end)
{
    unsigned wakes;

    tasks_run();
    wakes = end->wakes;
    end->wakes = 0;
    return wakes;
}

static int set_up(void **state)
{
    (void)state;
    writer = reader = (struct end){ .runs = 0 };
    task_init(&writer.task, end_run);
    task_init(&reader.task, end_run);
    pipe_init(&body, HIGH);
    pipe_set_writer(&body, &writer.task);
    pipe_set_reader(&body, &reader.task);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tasks_run();
    pipe_done(&body);
    lanes_drain();
    pools_drain();
    assert_int_equal(block_total(), 0);
    return 0;
}

static void put(const char *string)
{
    pipe_put(&body, slice_copy(text_from(string)));
}

/* The bytes at position i of a stream are (i * 7 + i / 256). */
static unsigned char byte_at(uint64_t i)
{
    return (unsigned char)(i * 7 + i / 256);
}

static void put_stream(uint32_t len)
{
    struct block *block = block_new_sized(len);

    for (uint32_t i = 0; i < len; i++)
        block->bytes[i] = byte_at(body.total_in + i);
    pipe_put(&body, (struct slice){ .block = block, .start = 0, .len = len });
}

/* Compares everything that is unread with the stream. */
static size_t check_stream(void)
{
    struct iovec iov[PIPE_SLICES];
    int          count = pipe_peek(&body, iov, PIPE_SLICES);
    uint64_t     at = body.total_out;

    for (int i = 0; i < count; i++)
        for (size_t k = 0; k < iov[i].iov_len; k++, at++)
            if (((unsigned char *)iov[i].iov_base)[k] != byte_at(at))
                fail_msg("byte %llu is not what was put in", (unsigned long long)at);
    return (size_t)(at - body.total_out);
}

static void in_and_out(void **state)
{
    struct iovec iov[PIPE_SLICES];

    (void)state;
    assert_false(pipe_has_data(&body));
    put("hello ");
    put("world");
    assert_int_equal(wakes_of(&reader), WAKE_DATA);
    assert_int_equal(pipe_peek(&body, iov, PIPE_SLICES), 2);
    CHECK_TEXT(text_of(iov[0].iov_base, iov[0].iov_len), "hello ");
    CHECK_TEXT(text_of(iov[1].iov_base, iov[1].iov_len), "world");
    assert_int_equal(pipe_peek(&body, iov, 1), 1);
    pipe_drop(&body, 8);
    assert_int_equal(pipe_peek(&body, iov, PIPE_SLICES), 1);
    CHECK_TEXT(text_of(iov[0].iov_base, iov[0].iov_len), "rld");
    pipe_end(&body);
    assert_int_equal(wakes_of(&reader), WAKE_DATA | WAKE_END);
    assert_false(pipe_is_finished(&body));
    pipe_drop(&body, 3);
    assert_true(pipe_is_finished(&body));
    assert_int_equal(body.total_in, 11);
    assert_int_equal(body.total_out, 11);
}

static void the_writer_stops_and_is_woken(void **state)
{
    (void)state;
    assert_int_equal(pipe_room(&body), HIGH);
    put_stream(HIGH - 1);
    assert_int_equal(pipe_room(&body), 1);
    put_stream(1);
    assert_int_equal(pipe_room(&body), 0);
    (void)wakes_of(&writer);
    pipe_drop(&body, HIGH / 2 - 1);
    assert_int_equal(wakes_of(&writer), 0);
    pipe_drop(&body, 1);
    assert_int_equal(wakes_of(&writer), WAKE_ROOM);
    assert_int_equal(pipe_room(&body), HIGH / 2);
    pipe_drop(&body, HIGH / 2);
    assert_int_equal(wakes_of(&writer), 0);   /* it was not told that there is no room */
}

/* 16 large slices fill the ring while `high` is far away. */
static void a_full_ring_is_no_room(void **state)
{
    (void)state;
    pipe_init(&body, 16 * HIGH);
    pipe_set_writer(&body, &writer.task);
    for (int i = 0; i < PIPE_SLICES; i++) {
        assert_true(pipe_room(&body) > 0);
        put_stream(4096);
    }
    assert_int_equal(pipe_room(&body), 0);
    pipe_drop(&body, 4096);
    assert_int_equal(wakes_of(&writer), WAKE_ROOM);
    assert_true(pipe_room(&body) > 0);
    assert_int_equal(check_stream(), 15 * 4096);
    pipe_drop(&body, 15 * 4096);
}

static void little_pieces_are_gathered(void **state)
{
    (void)state;
    for (int i = 0; i < HIGH; i++) {
        assert_true(pipe_room(&body) > 0);
        put_stream(1);
    }
    assert_int_equal(pipe_room(&body), 0);
    assert_int_equal(check_stream(), HIGH);
    assert_true(block_total() < 4 * HIGH);
    pipe_drop(&body, HIGH);
}

/* What a peer has peeked at may not change: gathering writes behind it only. */
static void gathering_leaves_peeked_bytes_alone(void **state)
{
    struct iovec iov[PIPE_SLICES];
    int          count;
    char         before[PIPE_SLICES];

    (void)state;
    for (int i = 0; i < 7; i++)
        put_stream(10);
    count = pipe_peek(&body, iov, PIPE_SLICES);
    for (int i = 0; i < count - 1; i++)
        before[i] = *(char *)iov[i].iov_base;
    for (int i = 0; i < 100; i++)
        put_stream(10);
    for (int i = 0; i < count - 1; i++)
        assert_int_equal(*(char *)iov[i].iov_base, before[i]);
    assert_int_equal(check_stream(), 1070);
}

static void neighbours_become_one(void **state)
{
    struct block *block = block_new();
    struct iovec  iov[PIPE_SLICES];

    (void)state;
    for (uint32_t i = 0; i < 4000; i++)
        block->bytes[i] = byte_at(i);
    for (uint32_t i = 0; i < 40; i++)
        pipe_put(&body, slice_of(block, i * 100, 100));
    assert_int_equal(pipe_peek(&body, iov, PIPE_SLICES), 1);
    assert_int_equal(iov[0].iov_len, 4000);
    pipe_put(&body, slice_of(block, 100, 100));     /* not behind the last one */
    assert_int_equal(pipe_peek(&body, iov, PIPE_SLICES), 2);
    block_unref(block);
    pipe_drop(&body, 4100);
}

static void what_was_kept_comes_again(void **state)
{
    (void)state;
    pipe_keep(&body);
    put_stream(3000);
    put_stream(3000);
    pipe_drop(&body, 4000);
    assert_int_equal(check_stream(), 2000);
    assert_true(pipe_may_rewind(&body));
    (void)wakes_of(&reader);
    pipe_rewind(&body);
    assert_int_equal(wakes_of(&reader), WAKE_DATA);
    assert_int_equal(body.total_out, 0);
    assert_int_equal(check_stream(), 6000);
    pipe_drop(&body, 6000);
    assert_false(pipe_has_data(&body));
    put_stream(10);
    pipe_rewind(&body);
    assert_int_equal(check_stream(), 6010);
    pipe_drop(&body, 3000);
    pipe_forget(&body);
    assert_false(pipe_may_rewind(&body));
    assert_int_equal(check_stream(), 3010);
    pipe_drop(&body, 3010);
}

static void nothing_read_may_be_read_again(void **state)
{
    (void)state;
    put_stream(100);
    assert_true(pipe_may_rewind(&body));
    pipe_rewind(&body);
    assert_int_equal(check_stream(), 100);
    pipe_drop(&body, 1);
    assert_false(pipe_may_rewind(&body));
}

/* The ring is full of unread slices, all are read and kept: the writer must hear of it, or the body
 * stands still. */
static void keeping_does_not_stop_the_body(void **state)
{
    (void)state;
    pipe_init(&body, 16 * HIGH);
    pipe_set_writer(&body, &writer.task);
    pipe_keep(&body);
    for (int i = 0; i < PIPE_SLICES; i++)
        put_stream(4096);
    assert_int_equal(pipe_room(&body), 0);
    (void)wakes_of(&writer);
    pipe_drop(&body, 16 * 4096);
    assert_int_equal(wakes_of(&writer), WAKE_ROOM);
    assert_true(pipe_room(&body) > 0);
    assert_false(pipe_may_rewind(&body));     /* the kept ones made room */
    put_stream(4096);
    assert_int_equal(check_stream(), 4096);
}

static void a_break_wakes_both_and_swallows(void **state)
{
    (void)state;
    put_stream(10);
    (void)wakes_of(&reader);
    pipe_break(&body, 7);
    assert_true(wakes_of(&reader) & WAKE_FAULT);
    assert_true(wakes_of(&writer) & WAKE_FAULT);
    pipe_break(&body, 8);
    assert_int_equal(body.fault, 7);
    assert_int_equal(wakes_of(&reader), 0);
    pipe_put(&body, slice_copy(TEXT("late")));
    assert_int_equal(body.total_in, 10);
}

static void ends_may_come_later(void **state)
{
    (void)state;
    pipe_set_reader(&body, NULL);
    pipe_set_writer(&body, NULL);
    put("waiting");
    pipe_end(&body);
    assert_int_equal(wakes_of(&reader), 0);
    pipe_set_reader(&body, &reader.task);
    assert_true(wakes_of(&reader) & WAKE_DATA);
    pipe_drop(&body, 7);
    pipe_break(&body, 3);
    assert_int_equal(wakes_of(&writer), 0);
}

/* ---- the lane ---- */

static void bytes_in_the_lane_count(void **state)
{
    int  from[2], to[2];
    char bytes[16];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, from), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, to), 0);
    body.lane = lane_open();
    assert_non_null(body.lane);
    assert_int_equal(write(from[0], "through the lane", 16), 16);
    assert_int_equal(lane_take(body.lane, from[1], 11), 11);
    pipe_lane_took(&body, 11);
    assert_int_equal(wakes_of(&reader), WAKE_DATA);
    assert_true(pipe_has_data(&body));
    assert_int_equal(pipe_room(&body), 0);   /* or later bytes would overtake these */
    assert_int_equal(lane_give(body.lane, to[0], 100, 0), 11);
    pipe_lane_gave(&body, 11);
    assert_false(pipe_has_data(&body));
    assert_int_equal(read(to[1], bytes, sizeof(bytes)), 11);
    CHECK_TEXT(text_of(bytes, 11), "through the");
    assert_int_equal(body.total_out, 11);
    assert_int_equal(wakes_of(&writer), WAKE_ROOM);
    for (int i = 0; i < 2; i++) {
        (void)close(from[i]);
        (void)close(to[i]);
    }
}

/* A server that goes away before it has read anything: the next one gets what is in the lane. */
static void a_short_memory_holds_one_read(void **state)
{
    (void)state;
    shortage_begin(SHORTAGE_BUDGET);
    assert_int_equal(pipe_room(&body), HIGH);   /* whoever is empty may go on */
    put("abc");
    assert_int_equal(pipe_room(&body), 0);
    pipe_drop(&body, 2);
    assert_true(wakes_of(&writer) & WAKE_ROOM);
    assert_int_equal(pipe_room(&body), 0);
    pipe_drop(&body, 1);
    assert_true(wakes_of(&writer) & WAKE_ROOM);
    assert_int_equal(pipe_room(&body), HIGH);
    put("abc");
    body.is_gathering = true;                   /* its reader waits for the whole of it */
    assert_int_equal(pipe_room(&body), HIGH - 3);
    body.is_gathering = false;
    assert_int_equal(pipe_room(&body), 0);
    shortage_end(SHORTAGE_BUDGET);
    assert_int_equal(pipe_room(&body), HIGH - 3);
}

static void a_short_memory_holds_one_read_in_the_lane(void **state)
{
    enum { MORE_THAN_ONE = 40000 };
    static const char bytes[MORE_THAN_ONE];
    struct lane      *lane = lane_open();
    int               pair[2];
    size_t            fill;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(write(pair[1], bytes, MORE_THAN_ONE), MORE_THAN_ONE);
    shortage_begin(SHORTAGE_BUDGET);
    assert_true(lane_take(lane, pair[0], MORE_THAN_ONE) > 0);
    fill = lane_fill(lane);
    assert_true(fill <= 16 * 1024);
    assert_int_equal(lane_take(lane, pair[0], MORE_THAN_ONE), -EAGAIN);
    assert_int_equal(lane_fill(lane), fill);
    shortage_end(SHORTAGE_BUDGET);
    assert_true(lane_take(lane, pair[0], MORE_THAN_ONE) > 0);
    (void)close(pair[0]);
    (void)close(pair[1]);
    lane_close(&lane);
}

static void a_rewind_leaves_the_lane_alone(void **state)
{
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    body.lane = lane_open();
    put_stream(100);
    assert_int_equal(write(pair[0], "12345", 5), 5);
    assert_int_equal(lane_take(body.lane, pair[1], 5), 5);
    pipe_lane_took(&body, 5);
    assert_true(pipe_may_rewind(&body));
    pipe_rewind(&body);
    assert_int_equal(body.fill, 100);
    assert_int_equal(check_stream(), 100);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* ---- everything at once ---- */

static void random_walks_lose_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        uint32_t most = 1u << random_below(14);

        (void)set_up(NULL);
        if (round % 2 == 0)
            pipe_keep(&body);
        for (int step = 0; step < 200; step++) {
            size_t room = pipe_room(&body), have = check_stream();

            assert_int_equal(have, body.total_in - body.total_out);
            assert_true(room > 0 || have > 0);      /* else nobody can go on */
            if (room > 0 && random_below(3) > 0)
                put_stream((uint32_t)(1 + random_below(room < most ? room : most)));
            else if (have > 0)
                pipe_drop(&body, 1 + random_below(have));
            if (round % 2 == 0 && random_below(50) == 0 && pipe_may_rewind(&body))
                pipe_rewind(&body);
        }
        (void)tear_down(NULL);
    }
    (void)set_up(NULL);
}

/* As a writer and a reader really go: the writer rests until it is woken. */
static void nobody_waits_for_ever(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        uint32_t most = 1u << random_below(15);
        bool     may_write = true;

        (void)set_up(NULL);
        if (round % 2 == 0)
            pipe_keep(&body);
        for (int step = 0; step < 50; step++) {
            for (size_t room; may_write && (room = pipe_room(&body)) > 0;)
                put_stream((uint32_t)(1 + random_below(room < most ? room : most)));
            (void)check_stream();
            may_write = false;
            while (pipe_has_data(&body) && !may_write) {
                pipe_drop(&body, 1 + random_below(body.total_in - body.total_out));
                may_write = (wakes_of(&writer) & WAKE_ROOM) != 0;
            }
            if (!may_write)
                fail_msg("round %d: all is read and the writer was not woken", round);
        }
        (void)tear_down(NULL);
    }
    (void)set_up(NULL);
}

/* ---- shares ---- */

enum { SHARED_PIPES = 8, SHARE_MOST = 256 * 1024, SHARE_LEAST = 4096 };

static struct pipe_share share;
static struct pipe       others[SHARED_PIPES];

static void others_begin(void)
{
    share = (struct pipe_share){ .most = SHARE_MOST, .least = SHARE_LEAST };
    for (unsigned i = 0; i < SHARED_PIPES; i++) {
        pipe_init(&others[i], HIGH);
        pipe_set_share(&others[i], &share);
    }
}

static void fill_up(struct pipe *pipe)
{
    size_t room;

    while ((room = pipe_room(pipe)) > 0)
        pipe_put(pipe, (struct slice){ .block = block_new_sized((uint32_t)room), .len = (uint32_t)room });
}

static void one_of_a_share_has_all(void **state)
{
    (void)state;
    others_begin();
    assert_int_equal(pipe_room(&others[0]), HIGH);
    assert_int_equal(pipe_read_most(&others[0]), 0);
    fill_up(&others[0]);
    assert_int_equal(share.fill, HIGH);
    pipe_drop(&others[0], HIGH / 2);
    assert_int_equal(share.fill, HIGH / 2);
    pipe_done(&others[0]);
    assert_int_equal(share.fill, 0);
}

static void many_of_a_share_are_bounded(void **state)
{
    (void)state;
    others_begin();
    for (unsigned i = 0; i < SHARED_PIPES; i++) {
        assert_true(pipe_room(&others[i]) >= SHARE_LEAST);
        fill_up(&others[i]);
    }
    assert_true(share.fill <= SHARE_MOST + SHARED_PIPES * SHARE_LEAST);
    assert_true(pipe_is_crowded(&others[SHARED_PIPES - 1]));
    assert_true(pipe_read_most(&others[SHARED_PIPES - 1]) < HIGH);
    for (unsigned i = 0; i < SHARED_PIPES; i++)
        pipe_done(&others[i]);
    assert_int_equal(share.fill, 0);
}

/* Of what little it may have half must be gone: its low mark is not that of a pipe without a share. */
static void a_writer_of_a_share_is_woken(void **state)
{
    (void)state;
    others_begin();
    share.fill = SHARE_MOST;
    pipe_set_share(&body, &share);
    fill_up(&body);
    assert_int_equal(body.fill, SHARE_LEAST);
    (void)wakes_of(&writer);
    pipe_drop(&body, 1);
    assert_int_equal(wakes_of(&writer), 0);
    pipe_drop(&body, SHARE_LEAST / 2);
    assert_int_equal(wakes_of(&writer), WAKE_ROOM);
}

/* A part of a large block does not hold the whole of it for long. */
static void what_waits_long_lies_alone(void **state)
{
    struct block *block = block_new();

    (void)state;
    others_begin();
    share.fill = SHARE_MOST;
    pipe_set_share(&body, &share);
    pipe_put(&body, slice_of(block, 100, SHARE_LEAST));
    block_unref(block);
    assert_int_equal(block_total(), SHARE_LEAST);
}

static void promises_count_until_the_pipe_is_done(void **state)
{
    (void)state;
    others_begin();
    assert_int_equal(pipe_promise(&body, 1000000), 1000000);   /* it shares nothing */
    assert_int_equal(pipe_promise(&others[0], 1000000), SHARE_MOST / 4);
    assert_int_equal(pipe_promise(&others[1], 1000), 1000);
    assert_int_equal(share.fill, SHARE_MOST / 4 + 1000);
    fill_up(&others[0]);
    pipe_set_share(&others[0], NULL);
    assert_int_equal(share.fill, 1000);
    pipe_done(&others[0]);
    pipe_done(&others[1]);
    assert_int_equal(share.fill, 0);
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PIPE(in_and_out),
        WITH_PIPE(the_writer_stops_and_is_woken),
        WITH_PIPE(a_full_ring_is_no_room),
        WITH_PIPE(little_pieces_are_gathered),
        WITH_PIPE(gathering_leaves_peeked_bytes_alone),
        WITH_PIPE(neighbours_become_one),
        WITH_PIPE(what_was_kept_comes_again),
        WITH_PIPE(nothing_read_may_be_read_again),
        WITH_PIPE(keeping_does_not_stop_the_body),
        WITH_PIPE(a_break_wakes_both_and_swallows),
        WITH_PIPE(ends_may_come_later),
        WITH_PIPE(bytes_in_the_lane_count),
        WITH_PIPE(a_short_memory_holds_one_read),
        WITH_PIPE(a_short_memory_holds_one_read_in_the_lane),
        WITH_PIPE(a_rewind_leaves_the_lane_alone),
        WITH_PIPE(random_walks_lose_nothing),
        WITH_PIPE(nobody_waits_for_ever),
        WITH_PIPE(one_of_a_share_has_all),
        WITH_PIPE(many_of_a_share_are_bounded),
        WITH_PIPE(a_writer_of_a_share_is_woken),
        WITH_PIPE(what_waits_long_lies_alone),
        WITH_PIPE(promises_count_until_the_pipe_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
