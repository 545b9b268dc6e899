// SPDX-License-Identifier: MIT
/* channel: whole messages with descriptors, and nothing believed that is not one. */
#include "base/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "main/channel.h"

static int ends[2];

static int open_channel(void **state)
{
    (void)state;
    return channel_open(ends);
}

static int close_channel(void **state)
{
    (void)state;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}

static int open_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void a_message_arrives_whole(void **state)
{
    struct message sent = { .kind = MESSAGE_REFUSED, .number = 7, .reason = "no\nway" }, got;

    (void)state;
    assert_int_equal(channel_send(ends[0], &sent), 0);
    sent = (struct message){ .kind = MESSAGE_DRAIN, .timeout_ms = 300 };
    assert_int_equal(channel_send(ends[0], &sent), 0);
    assert_int_equal(channel_receive(ends[1], &got), 0);
    assert_int_equal(got.kind, MESSAGE_REFUSED);
    assert_int_equal(got.number, 7);
    assert_string_equal(got.reason, "no?way");
    assert_int_equal(channel_receive(ends[1], &got), 0);
    assert_int_equal(got.kind, MESSAGE_DRAIN);
    assert_int_equal(got.timeout_ms, 300);
    assert_int_equal(channel_receive(ends[1], &got), -EAGAIN);
}

static void descriptors_travel_in_order(void **state)
{
    struct message sent = { .kind = MESSAGE_REOPEN, .fd_count = MESSAGE_FDS_MOST }, got;
    int            pipe_ends[2];

    (void)state;
    assert_int_equal(pipe(pipe_ends), 0);
    for (unsigned i = 0; i < MESSAGE_FDS_MOST; i++) {
        sent.fds[i] = pipe_ends[i == 3];
        sent.places[i] = i * 2;
    }
    assert_int_equal(channel_send(ends[0], &sent), 0);
    (void)close(pipe_ends[1]);
    assert_int_equal(channel_receive(ends[1], &got), 0);
    assert_int_equal(got.fd_count, MESSAGE_FDS_MOST);
    assert_int_equal(got.places[3], 6);
    assert_int_equal(write(got.fds[3], "x", 1), 1);
    assert_int_equal(fcntl(got.fds[3], F_GETFD), FD_CLOEXEC);
    message_close_fds(&got);
    assert_int_equal(got.fd_count, 0);
    (void)close(pipe_ends[0]);
}

static void what_is_no_message_is_refused_and_closed(void **state)
{
    struct message sent = { .kind = MESSAGE_PONG, .fd_count = 1, .fds = { 0 } }, got;
    char           rubbish[2048];
    int            before = open_descriptors();

    (void)state;
    memset(rubbish, 'x', sizeof(rubbish));
    assert_int_equal(send(ends[0], "hello", 5, 0), 5);
    assert_int_equal(channel_receive(ends[1], &got), -EPROTO);
    assert_int_equal(send(ends[0], rubbish, sizeof(rubbish), 0), sizeof(rubbish));
    assert_int_equal(channel_receive(ends[1], &got), -EPROTO);
    /* A pong has no business carrying descriptors. */
    assert_int_equal(channel_send(ends[0], &sent), 0);
    assert_int_equal(channel_receive(ends[1], &got), -EPROTO);
    sent = (struct message){ .kind = (enum message_kind)99 };
    assert_int_equal(channel_send(ends[0], &sent), 0);
    assert_int_equal(channel_receive(ends[1], &got), -EPROTO);
    assert_int_equal(open_descriptors(), before);
}

static void the_end_is_heard_on_both_sides(void **state)
{
    struct message message = { .kind = MESSAGE_PING };

    (void)state;
    (void)close(ends[0]);
    assert_int_equal(channel_receive(ends[1], &message), -EPIPE);
    message.kind = MESSAGE_PING;
    assert_int_equal(channel_send(ends[1], &message), -EPIPE);
    ends[0] = open("/dev/null", O_RDONLY);
}

static void who_does_not_read_is_given_up(void **state)
{
    struct message message = { .kind = MESSAGE_PING };
    int            small = 4096, error = 0;

    (void)state;
    (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    for (int i = 0; i < 10000 && error == 0; i++)
        error = channel_send(ends[0], &message);
    assert_int_equal(error, -EAGAIN);
}

static void a_text_is_sealed(void **state)
{
    struct text text;
    int         fd;

    (void)state;
    assert_int_equal(text_to_fd(TEXT("server { }"), &fd), 0);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(text_from_fd(fd, &text), 0);
    CHECK_TEXT(text, "server { }");
    mem_free((void *)(uintptr_t)text.ptr);
    assert_int_equal(text_from_fd(fd, &text), 0);
    CHECK_TEXT(text, "server { }");
    mem_free((void *)(uintptr_t)text.ptr);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_arrives_whole, open_channel, close_channel),
        cmocka_unit_test_setup_teardown(descriptors_travel_in_order, open_channel, close_channel),
        cmocka_unit_test_setup_teardown(what_is_no_message_is_refused_and_closed, open_channel,
                                        close_channel),
        cmocka_unit_test_setup_teardown(the_end_is_heard_on_both_sides, open_channel,
                                        close_channel),
        cmocka_unit_test_setup_teardown(who_does_not_read_is_given_up, open_channel, close_channel),
        cmocka_unit_test(a_text_is_sealed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
