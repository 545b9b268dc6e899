// SPDX-License-Identifier: MIT
/* probe: a check that is dropped does nothing more. */
#include "base/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "balance/check.h"
#include "balance/group.h"
#include "net/loop.h"
#include "net/timer.h"

enum { PAUSE_MS = 30 };

static struct upstream_server server = { .name = TEXT("x"), .host = TEXT(""), .has_address = true, .weight = 1 };
static struct check           check = { .key = TEXT("tcp"), .type = CHECK_TCP, .interval_ms = 1000, .fails = 1,
                                        .passes = 1, .connect_timeout_ms = 1000, .read_timeout_ms = 1000 };
static struct upstream        upstream = { .name = TEXT("backend"), .servers = &server, .server_count = 1 };
static struct loop           *control;
static struct task            dropper, stopper;

static void drop(struct task *task, unsigned wakes)
{
    (void)task, (void)wakes;
    group_unbind(&upstream);
}

static void stop(struct task *task, unsigned wakes)
{
    (void)task, (void)wakes;
    loop_stop(control);
}

static int listening(void)
{
    socklen_t len = sizeof(server.address.raw.any);
    int       fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 0, &server.address), 0);
    assert_int_equal(bind(fd, &server.address.raw.any, server.address.len), 0);
    assert_int_equal(getsockname(fd, &server.address.raw.any, &len), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* Its time and the news that its server is gone come in one turn, the news first. */
static void who_is_dropped_as_its_time_comes_asks_nobody(void **state)
{
    struct timer drops, stops;
    int          fd = listening();

    (void)state;
    control = loop_new(0);
    task_init(&dropper, drop);
    task_init(&stopper, stop);
    timer_init(&drops, &dropper);
    timer_init(&stops, &stopper);
    timer_set(loop_timers(control), &drops, loop_now_ms(control) - 1);
    timer_set(loop_timers(control), &stops, loop_now_ms(control) + PAUSE_MS);
    upstream.checks = &check;
    group_bind(&upstream, control);
    loop_run(control);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    loop_free(&control);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_dropped_as_its_time_comes_asks_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
