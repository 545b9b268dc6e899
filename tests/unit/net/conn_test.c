// SPDX-License-Identifier: MIT
/* conn: against a small protocol that echoes lines over real sockets, with its loop on another
 * thread: pieces of any size, both ends, resets, every deadline, backpressure, lingering, splicing. */
#include "side.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "net/conn.h"
#include "net/pipe.h"
#include "net/socket.h"

enum { HIGH = 64 * 1024, NEVER = -1 };

/* What the test's thread may look at while the loop runs; -1: has not happened. */
static struct {
    atomic_int lost, expired, finished, freed, owner_ended, owner_writable;
} seen;

struct echo {
    struct protocol protocol;
    struct task     task;                /* woken by the pipe */
    struct pipe     out;
    uint64_t        splice_left;         /* bytes after "splice N\n" that may pass by the lane */
    enum conn_wait  wait;                /* when a line is not complete: HEAD; else this */
    bool            has_part, is_held;
};

/* ---- the protocol ---- */

static struct echo *echo_of(const struct protocol *protocol)
{
    return container_of((struct protocol *)protocol, struct echo, protocol);
}

static void echo_run(struct task *task, unsigned wakes)
{
    struct echo *echo = container_of(task, struct echo, task);

    if ((wakes & WAKE_ROOM) && echo->protocol.conn != NULL) {
        echo->protocol.is_paused = false;
        task_wake(echo->protocol.conn, WAKE_ROOM);
    }
}

static bool is_command(struct text line, const char *command)
{
    return text_has_prefix(line, text_from(command));
}

/* False: the line is echoed like any other. */
static bool obey(struct echo *echo, struct text line)
{
    if (is_command(line, "quit"))
        echo->protocol.is_closing = true;
    else if (is_command(line, "linger"))
        echo->protocol.is_closing = echo->protocol.must_linger = true;
    else if (is_command(line, "reset"))
        echo->protocol.must_reset = true;
    else if (is_command(line, "body"))
        echo->wait = CONN_WAIT_BODY;
    else if (is_command(line, "idle"))
        echo->wait = CONN_WAIT_IDLE;
    else if (is_command(line, "hold"))
        echo->is_held = true;
    else if (is_command(line, "splice "))
        must(text_to_u64(text_part(line, 7, line.len - 8), &echo->splice_left) == 0);
    else
        return false;
    return true;
}

static size_t raw_fed(struct echo *echo, struct slice bytes)
{
    size_t len = bytes.len < echo->splice_left ? bytes.len : (size_t)echo->splice_left;
    size_t room = pipe_room(&echo->out);

    len = len < room ? len : room;
    echo->protocol.is_paused = room == 0;
    pipe_put(&echo->out, slice_part(bytes, 0, (uint32_t)len));
    echo->splice_left -= len;
    return len;
}

static ssize_t line_fed(struct echo *echo, struct slice bytes)
{
    struct text text = slice_text(bytes);
    size_t      len = text_find(text, '\n') + 1;

    echo->has_part = len > text.len;
    if (echo->has_part)
        return 0;
    text = text_part(text, 0, len);
    if (is_command(text, "bad"))
        return -1;
    if (!obey(echo, text)) {
        if (pipe_room(&echo->out) == 0) {
            echo->protocol.is_paused = true;
            return 0;
        }
        pipe_put(&echo->out, slice_part(bytes, 0, (uint32_t)len));
    }
    return (ssize_t)len;
}

static ssize_t echo_feed(struct protocol *protocol, struct slice bytes)
{
    struct echo *echo = echo_of(protocol);
    size_t       used = 0;

    while (used < bytes.len && !protocol->is_paused && !protocol->is_closing) {
        struct slice rest = { bytes.block, bytes.start + (uint32_t)used,
                              bytes.len - (uint32_t)used };
        ssize_t      n = echo->splice_left > 0 ? (ssize_t)raw_fed(echo, rest)
                                               : line_fed(echo, rest);

        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

static void echo_finish(struct protocol *protocol)
{
    atomic_store(&seen.finished, 1);
    protocol->is_closing = true;
}

static int echo_fill(struct protocol *protocol, struct iovec *ret_iov, int most)
{
    return pipe_peek(&echo_of(protocol)->out, ret_iov, most);
}

static void echo_sent(struct protocol *protocol, size_t len)
{
    pipe_drop(&echo_of(protocol)->out, len);
}

static enum conn_wait echo_wait(const struct protocol *protocol)
{
    const struct echo *echo = echo_of(protocol);

    return protocol->is_paused ? CONN_WAIT_NONE : echo->has_part ? CONN_WAIT_HEAD : echo->wait;
}

static void echo_expire(struct protocol *protocol, enum conn_wait wait)
{
    struct echo *echo = echo_of(protocol);

    atomic_store(&seen.expired, (int)wait);
    pipe_put(&echo->out, slice_copy(TEXT("late\n")));
    protocol->is_closing = true;
}

static void echo_lost(struct protocol *protocol, enum loss why)
{
    struct echo *echo = echo_of(protocol);

    must(atomic_load(&seen.lost) == NEVER);
    atomic_store(&seen.lost, (int)why);
    pipe_break(&echo->out, 1);
    echo->out.reader = NULL;
}

static bool echo_is_held(const struct protocol *protocol)
{
    return echo_of(protocol)->is_held;
}

static void echo_free(struct protocol **protocol)
{
    struct echo *echo = echo_of(*protocol);

    must(!echo->is_held);
    *protocol = NULL;
    task_cancel(&echo->task);
    pipe_done(&echo->out);
    free(echo);
    atomic_fetch_add(&seen.freed, 1);
}

static uint64_t echo_splice_in(struct protocol *protocol, struct pipe **ret_pipe)
{
    struct echo *echo = echo_of(protocol);

    *ret_pipe = &echo->out;
    return echo->splice_left;
}

static void echo_spliced_in(struct protocol *protocol, uint64_t len)
{
    echo_of(protocol)->splice_left -= len;
    pipe_lane_took(&echo_of(protocol)->out, len);
}

static uint64_t echo_splice_out(struct protocol *protocol, struct pipe **ret_pipe)
{
    *ret_pipe = &echo_of(protocol)->out;
    return lane_fill((*ret_pipe)->lane);
}

static void echo_spliced_out(struct protocol *protocol, uint64_t len)
{
    pipe_lane_gave(&echo_of(protocol)->out, len);
}

static const struct protocol_ops echo_ops = {
    .feed = echo_feed, .finish = echo_finish, .fill = echo_fill, .sent = echo_sent,
    .wait = echo_wait, .expire = echo_expire, .lost = echo_lost, .is_held = echo_is_held,
    .free = echo_free, .splice_in = echo_splice_in, .spliced_in = echo_spliced_in,
    .splice_out = echo_splice_out, .spliced_out = echo_spliced_out,
};

static struct echo *echo_new(void)
{
    struct echo *echo = calloc(1, sizeof(*echo));

    echo->protocol.ops = &echo_ops;
    echo->wait = CONN_WAIT_IDLE;
    task_init(&echo->task, echo_run);
    pipe_init(&echo->out, HIGH);
    pipe_set_writer(&echo->out, &echo->task);
    return echo;
}

/* ---- the two ends ---- */

static struct side          side;
static struct conn         *conn;        /* the loop's */
static struct echo         *echo;        /* the loop's */
static struct conn_timeouts timeouts;
static struct task          owner;
static int                  client, server;
static struct address       target;

static void owner_run(struct task *task, unsigned wakes)
{
    (void)task;
    if (wakes & WAKE_WRITABLE)
        atomic_store(&seen.owner_writable, 1);
    if (wakes & WAKE_END)
        atomic_store(&seen.owner_ended, 1);
}

static void conn_begin(struct loop *loop, void *argument)
{
    static int error;

    (void)argument;
    echo = echo_new();
    task_init(&owner, owner_run);
    conn = conn_new(loop, server, &echo->protocol, &timeouts, &owner);
    must(conn != NULL);
    must(echo->protocol.conn == &conn->task);
    pipe_set_reader(&echo->out, &conn->task);
    conn->error_to = &error;
}

static void forget_all(void)
{
    atomic_store(&seen.lost, NEVER);
    atomic_store(&seen.expired, NEVER);
    atomic_store(&seen.finished, NEVER);
    atomic_store(&seen.owner_ended, NEVER);
    atomic_store(&seen.owner_writable, NEVER);
    atomic_store(&seen.freed, 0);
}

static int set_up(void **state)
{
    (void)state;
    forget_all();
    timeouts = (struct conn_timeouts){ .linger_ms = 5000, .linger_most_ms = 30000 };
    side_start(&side, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    side_stop(&side);
    return 0;
}

static void set_patience(int fd)
{
    struct timeval timeval = { .tv_sec = 10 };

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeval, sizeof(timeval));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeval, sizeof(timeval));
}

/* Loopback TCP with small buffers on our side, so that "full" comes soon. */
static void open_tcp(void)
{
    struct listen_options options = { .receive_bytes = 16384, .send_bytes = 16384 };
    struct address        address = address_any_v4(0), remote;
    const char           *call;
    int                   listener, small = 16384, segment = 1400;
    bool                  is_in_progress;

    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 0, &address), 0);
    assert_int_equal(socket_listen(&address, &options, &listener, &call), 0);
    assert_int_equal(socket_local(listener, &address), 0);
    /* Loopback's segments are larger than these windows: each would wait for a probe's timer. */
    assert_int_equal(setsockopt(listener, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment)), 0);
    assert_int_equal(socket_connect(&address, NULL, &client, &is_in_progress), 0);
    (void)setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 5000), 1);
    assert_int_equal(socket_accept(listener, &server, &remote), 0);
    (void)close(listener);
    (void)fcntl(client, F_SETFL, 0);
    set_patience(client);
    side_call(&side, conn_begin, NULL);
}

static void open_pair(void)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    client = pair[0];
    server = pair[1];
    (void)fcntl(client, F_SETFL, 0);
    set_patience(client);
    side_call(&side, conn_begin, NULL);
}

static void say(const char *string)
{
    assert_int_equal(send(client, string, strlen(string), MSG_NOSIGNAL), strlen(string));
}

static void hear(const char *wanted)
{
    char   got[512];
    size_t total = 0, len = strlen(wanted);

    while (total < len) {
        ssize_t n = recv(client, got + total, len - total, 0);

        if (n <= 0)
            fail_msg("wanted \"%s\", got %zu bytes and then %s", wanted, total,
                     n == 0 ? "the end" : strerror(errno));
        total += (size_t)n;
    }
    CHECK_TEXT(text_of(got, len), wanted);
}

static void hear_end(void)
{
    char byte;

    assert_int_equal(recv(client, &byte, 1, 0), 0);
}

static void hear_reset(void)
{
    char byte;

    assert_int_equal(recv(client, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void wait_for_the_end(enum loss why)
{
    WAIT_UNTIL(atomic_load(&seen.freed) == 1);
    assert_int_equal(atomic_load(&seen.lost), why);
    WAIT_UNTIL(atomic_load(&seen.owner_ended) == 1);
    (void)close(client);
}

/* ---- lines ---- */

static void lines_come_back(void **state)
{
    (void)state;
    open_tcp();
    say("hello\n");
    hear("hello\n");
    say("a\nb\nc\n");
    hear("a\nb\nc\n");
    say("quit\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

static void a_line_may_come_byte_by_byte(void **state)
{
    static const char line[] = "one byte after the other\n";

    (void)state;
    open_tcp();
    for (size_t i = 0; i < sizeof(line) - 1; i++) {
        assert_int_equal(send(client, line + i, 1, 0), 1);
        (void)usleep(1000);
    }
    hear(line);
    say("half");
    (void)usleep(5000);
    say(" and half\nand another");
    hear("half and half\n");
    say("\nquit\n");
    hear("and another\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

/* Longer than the block that the loop reads into: what is kept grows. */
static void a_long_line_is_kept_until_it_is_whole(void **state)
{
    static char line[100 * 1024], got[sizeof(line)];
    size_t      sent = 0, total = 0;

    (void)state;
    open_pair();
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    while (sent < sizeof(line)) {
        size_t len = sizeof(line) - sent < 7000 ? sizeof(line) - sent : 7000;

        assert_int_equal(send(client, line + sent, len, 0), len);
        sent += len;
    }
    while (total < sizeof(line)) {
        ssize_t n = recv(client, got + total, sizeof(got) - total, 0);

        assert_true(n > 0);
        total += (size_t)n;
    }
    assert_memory_equal(got, line, sizeof(line));
    say("quit\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

static void look_at_bytes(struct loop *loop, void *argument)
{
    (void)loop;
    must(conn->bytes_in == 6 && conn->bytes_out == 6);
    must(conn->pending.block == NULL && conn->serial > 0);
    *(bool *)argument = conn_is_quiet(conn);
}

static void an_idle_one_holds_nothing_and_is_quiet(void **state)
{
    bool is_quiet = false;

    (void)state;
    open_tcp();
    say("hello\n");
    hear("hello\n");
    (void)usleep(10 * 1000);
    side_call(&side, look_at_bytes, &is_quiet);
    assert_true(is_quiet);
    say("quit\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

static void hang_up_and_ask(struct loop *loop, void *argument)
{
    (void)loop;
    task_wake(&conn->task, WAKE_READABLE);     /* the poller has said so, conn's turn has not come */
    (void)shutdown(client, SHUT_WR);
    (void)usleep(1000);
    *(bool *)argument = conn_is_quiet(conn);
}

static void a_hung_up_one_is_not_quiet(void **state)
{
    bool is_quiet = true;

    (void)state;
    open_tcp();
    side_call(&side, hang_up_and_ask, &is_quiet);
    assert_false(is_quiet);
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

/* ---- ends ---- */

static void the_end_of_input_lets_output_out(void **state)
{
    (void)state;
    open_tcp();
    say("last words\n");
    (void)shutdown(client, SHUT_WR);
    hear("last words\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
    assert_int_equal(atomic_load(&seen.finished), 1);
}

static void a_reset_is_a_loss(void **state)
{
    (void)state;
    open_tcp();
    say("hello\n");
    hear("hello\n");
    socket_set_reset(client);
    (void)close(client);
    client = -1;
    wait_for_the_end(LOSS_RESET);
    assert_int_equal(atomic_load(&seen.finished), NEVER);
}

static void nonsense_closes(void **state)
{
    (void)state;
    open_tcp();
    say("bad\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

static void the_protocol_may_reset(void **state)
{
    (void)state;
    open_tcp();
    say("reset\n");
    hear_reset();
    wait_for_the_end(LOSS_CLOSED);
}

static void do_close(struct loop *loop, void *argument)
{
    (void)loop;
    (void)argument;
    conn_close(conn, LOSS_SHUTDOWN);
    conn_close(conn, LOSS_CLOSED);
}

static void the_owner_may_close(void **state)
{
    (void)state;
    open_tcp();
    side_call(&side, do_close, NULL);
    hear_end();
    wait_for_the_end(LOSS_SHUTDOWN);
}

static void let_go(struct loop *loop, void *argument)
{
    (void)loop;
    (void)argument;
    must(conn->is_closed && echo->protocol.conn == &conn->task);
    echo->is_held = false;
    task_wake(&conn->task, WAKE_END);
}

static void memory_stays_while_it_is_held(void **state)
{
    (void)state;
    open_tcp();
    say("hold\nquit\n");
    hear_end();
    (void)usleep(20 * 1000);
    assert_int_equal(atomic_load(&seen.lost), LOSS_CLOSED);
    assert_int_equal(atomic_load(&seen.freed), 0);
    side_call(&side, let_go, NULL);
    wait_for_the_end(LOSS_CLOSED);
}

/* ---- deadlines ---- */

/* Returns how long it took until the deadline's answer came. */
static int64_t time_until_late(void)
{
    int64_t start_ms = clock_mono_ms();

    hear("late\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
    return clock_mono_ms() - start_ms;
}

static void an_idle_conn_expires(void **state)
{
    (void)state;
    timeouts.waits_ms[CONN_WAIT_IDLE] = 100;
    open_tcp();
    assert_in_range(time_until_late(), 80, 2000);
    assert_int_equal(atomic_load(&seen.expired), CONN_WAIT_IDLE);
}

/* Each line is read and answered within one turn; that is use, all the same. */
static void a_conn_in_use_is_not_idle(void **state)
{
    (void)state;
    timeouts.waits_ms[CONN_WAIT_IDLE] = 300;
    open_tcp();
    for (int i = 0; i < 10; i++) {
        say("hello\n");
        hear("hello\n");
        (void)usleep(100 * 1000);
    }
    assert_in_range(time_until_late(), 50, 2000);
}

/* HEAD is a total: bytes that trickle in do not renew it. */
static void a_slow_line_expires(void **state)
{
    int64_t start_ms = clock_mono_ms();

    (void)state;
    timeouts.waits_ms[CONN_WAIT_HEAD] = 200;
    open_tcp();
    while (atomic_load(&seen.expired) == NEVER && clock_mono_ms() < start_ms + 5000) {
        (void)send(client, "x", 1, MSG_NOSIGNAL);
        (void)usleep(10 * 1000);
    }
    assert_in_range(clock_mono_ms() - start_ms, 150, 2000);
    assert_int_equal(atomic_load(&seen.expired), CONN_WAIT_HEAD);
    WAIT_UNTIL(atomic_load(&seen.freed) == 1);
    (void)close(client);
}

/* BODY is between two reads: it lasts as long as something comes. */
static void a_slow_body_does_not_expire_while_it_moves(void **state)
{
    (void)state;
    timeouts.waits_ms[CONN_WAIT_BODY] = 300;
    open_tcp();
    say("body\n");
    for (int i = 0; i < 10; i++) {
        (void)usleep(100 * 1000);
        say("more\n");
        hear("more\n");
    }
    assert_in_range(time_until_late(), 200, 2000);
    assert_int_equal(atomic_load(&seen.expired), CONN_WAIT_BODY);
}

static void do_set_timeouts(struct loop *loop, void *argument)
{
    (void)loop;
    conn_set_timeouts(conn, argument);
    task_wake(&conn->task, WAKE_DATA);
}

static void timeouts_may_change(void **state)
{
    struct conn_timeouts shorter = { .waits_ms[CONN_WAIT_IDLE] = 100 };

    (void)state;
    timeouts.waits_ms[CONN_WAIT_IDLE] = 60000;
    open_tcp();
    side_call(&side, do_set_timeouts, &shorter);
    assert_in_range(time_until_late(), 0, 2000);
}

/* Nobody reads the echo: the pipe fills, then our reading stops, then theirs. */
static size_t say_until_full(int patience_ms)
{
    static char   lines[8192];
    size_t        total = 0;
    struct pollfd pollfd = { .fd = client, .events = POLLOUT };

    memset(lines, 'y', sizeof(lines));
    for (size_t i = 63; i < sizeof(lines); i += 64)
        lines[i] = '\n';
    while (poll(&pollfd, 1, patience_ms) == 1 && (pollfd.revents & (POLLERR | POLLHUP)) == 0) {
        ssize_t n = send(client, lines + total % sizeof(lines),
                         sizeof(lines) - total % sizeof(lines), MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n <= 0)
            break;
        total += (size_t)n;
        assert_true(total < 64 * 1024 * 1024);
    }
    return total;
}

static void a_blocked_write_expires(void **state)
{
    (void)state;
    timeouts.send_ms = 300;
    open_tcp();
    (void)say_until_full(100);
    WAIT_UNTIL(atomic_load(&seen.freed) == 1);
    assert_int_equal(atomic_load(&seen.lost), LOSS_TIMEOUT);
    (void)close(client);
}

static void do_reset_on_timeout(struct loop *loop, void *argument)
{
    (void)loop;
    (void)argument;
    conn->is_reset_on_timeout = true;
}

static void a_timeout_may_be_a_reset(void **state)
{
    char bytes[4096];

    (void)state;
    timeouts.send_ms = 200;
    open_tcp();
    side_call(&side, do_reset_on_timeout, NULL);
    (void)say_until_full(100);
    WAIT_UNTIL(atomic_load(&seen.freed) == 1);
    while (recv(client, bytes, sizeof(bytes), 0) > 0) {
    }
    assert_int_equal(errno, ECONNRESET);
    (void)close(client);
}

/* ---- backpressure ---- */

static void look_at_memory(struct loop *loop, void *argument)
{
    (void)loop;
    *(size_t *)argument = block_total();
    must(echo->protocol.is_paused);
}

static void full_pipes_stop_the_sender(void **state)
{
    static char bytes[65536];
    size_t      total, held = 0, got = 0;

    (void)state;
    open_tcp();
    total = say_until_full(200);
    side_call(&side, look_at_memory, &held);
    assert_in_range(held, 1, 512 * 1024);
    while (got < total) {                /* and all of it comes, in order */
        ssize_t n = recv(client, bytes, sizeof(bytes), 0);

        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            if (bytes[i] != ((got + (size_t)i) % 64 == 63 ? '\n' : 'y'))
                fail_msg("byte %zu is wrong", got + (size_t)i);
        got += (size_t)n;
    }
    say(total % 64 == 0 ? "quit\n" : "\nquit\n");
    if (total % 64 != 0)
        hear("\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

/* While reading is stopped only the poller can tell of a reset. */
static void a_reset_is_heard_while_paused(void **state)
{
    (void)state;
    open_tcp();
    (void)say_until_full(200);
    socket_set_reset(client);
    (void)close(client);
    client = -1;
    wait_for_the_end(LOSS_RESET);
}

/* ---- lingering ---- */

static void unread_input_does_not_cut_the_answer(void **state)
{
    static char more[1024 * 1024];
    size_t      sent = 0;

    (void)state;
    open_tcp();
    say("answer\nlinger\n");
    hear("answer\n");
    hear_end();
    while (sent < sizeof(more)) {        /* swallowed, all of it */
        ssize_t n = send(client, more, sizeof(more) - sent, MSG_NOSIGNAL);

        assert_true(n > 0);
        sent += (size_t)n;
    }
    assert_int_equal(atomic_load(&seen.lost), NEVER);
    (void)shutdown(client, SHUT_WR);
    wait_for_the_end(LOSS_CLOSED);
}

/* ---- splicing ---- */

struct flow {
    size_t total;
};

static void *flow_out(void *argument)
{
    struct flow         *flow = argument;
    static unsigned char bytes[60000];
    size_t               sent = 0;

    while (sent < flow->total) {
        size_t  len = flow->total - sent < sizeof(bytes) ? flow->total - sent : sizeof(bytes);
        ssize_t n;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)((sent + i) * 13 / 7);
        n = send(client, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return argument;
        sent += (size_t)n;
    }
    return NULL;
}

static void check_flow(size_t total)
{
    static unsigned char bytes[65536];
    size_t               got = 0;

    while (got < total) {
        ssize_t n = recv(client, bytes, total - got < sizeof(bytes) ? total - got : sizeof(bytes),
                         0);

        if (n <= 0)
            fail_msg("%zu of %zu bytes came back", got, total);
        for (ssize_t i = 0; i < n; i++)
            if (bytes[i] != (unsigned char)((got + (size_t)i) * 13 / 7))
                fail_msg("byte %zu is wrong", got + (size_t)i);
        got += (size_t)n;
    }
}

static void large_bodies_pass_by_the_lane(void **state)
{
    struct flow flow = { .total = 8 * 1024 * 1024 };
    char        command[64];
    pthread_t   sender;
    void       *failed = NULL;

    (void)state;
    open_tcp();
    for (int round = 0; round < 2; round++) {
        (void)snprintf(command, sizeof(command), "before\nsplice %zu\n", flow.total);
        say(command);
        hear("before\n");
        assert_int_equal(pthread_create(&sender, NULL, flow_out, &flow), 0);
        check_flow(flow.total);
        (void)pthread_join(sender, &failed);
        assert_null(failed);
        say("after\n");
        hear("after\n");
    }
    say("quit\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

/* ---- connecting ---- */

static int64_t     connect_within_ms;
static struct text introduction;

static void do_connect(struct loop *loop, void *argument)
{
    bool is_in_progress;
    int  fd;

    echo = echo_new();
    task_init(&owner, owner_run);
    must(socket_connect(&target, NULL, &fd, &is_in_progress) == 0);
    conn = conn_open(loop, fd, &echo->protocol, &timeouts, &owner,
                     loop_now_ms(loop) + connect_within_ms);
    must(conn != NULL);
    pipe_set_reader(&echo->out, &conn->task);
    conn->error_to = argument;
    if (introduction.len > 0)
        conn_say_first(conn, introduction);
    pipe_put(&echo->out, slice_copy(TEXT("hello\n")));
}

static int listen_locally(int backlog)
{
    struct listen_options options = { .backlog = backlog };
    const char           *call;
    int                   listener;

    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 0, &target), 0);
    assert_int_equal(socket_listen(&target, &options, &listener, &call), 0);
    assert_int_equal(socket_local(listener, &target), 0);
    return listener;
}

/* And accepts it as `client`. */
static int connect_to_us(int64_t within_ms, int *error)
{
    int            listener = listen_locally(0);
    struct address remote;

    connect_within_ms = within_ms;
    side_call(&side, do_connect, error);
    assert_int_equal(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 5000), 1);
    assert_int_equal(socket_accept(listener, &client, &remote), 0);
    (void)fcntl(client, F_SETFL, 0);
    set_patience(client);
    return listener;
}

static void what_was_written_early_goes_out(void **state)
{
    int error = 0, listener = connect_to_us(5000, &error);

    (void)state;
    hear("hello\n");
    WAIT_UNTIL(atomic_load(&seen.owner_writable) == 1);
    say("there\n");
    hear("there\n");
    (void)close(listener);
    say("quit\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

/* More than a socket takes at once, while nobody reads. */
static struct text much_new(void)
{
    enum { BYTES = 16 * 1024 * 1024 };
    char *bytes = malloc(BYTES);

    assert_non_null(bytes);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * 2654435761u >> 24);
    return text_of(bytes, BYTES);
}

static void do_count_out(struct loop *loop, void *argument)
{
    (void)loop;
    *(uint64_t *)argument = conn->bytes_out;
}

static void what_is_said_first_goes_in_pieces(void **state)
{
    int      error = 0, listener;
    uint64_t out = 0;
    char    *came;

    (void)state;
    introduction = much_new();
    came = malloc(introduction.len);
    assert_non_null(came);
    listener = connect_to_us(60000, &error);
    while (out == 0)
        side_call(&side, do_count_out, &out);
    assert_true(out < introduction.len);
    assert_int_equal(atomic_load(&seen.owner_writable), NEVER);   /* it does not stand yet */
    assert_int_equal(recv(client, came, introduction.len, MSG_WAITALL), introduction.len);
    assert_memory_equal(came, introduction.ptr, introduction.len);
    hear("hello\n");
    WAIT_UNTIL(atomic_load(&seen.owner_writable) == 1);
    free(came);
    free((void *)introduction.ptr);
    introduction = TEXT("");
    (void)close(listener);
    say("quit\n");
    hear_end();
    wait_for_the_end(LOSS_CLOSED);
}

static void what_is_said_first_has_to_go_in_time(void **state)
{
    int error = 0, listener;

    (void)state;
    introduction = much_new();
    listener = connect_to_us(500, &error);
    wait_for_the_end(LOSS_TIMEOUT);
    assert_int_equal(error, -ETIMEDOUT);
    assert_int_equal(atomic_load(&seen.owner_writable), NEVER);
    free((void *)introduction.ptr);
    introduction = TEXT("");
    (void)close(listener);
}

static void a_refused_connection_says_why(void **state)
{
    int error = 0;

    (void)state;
    (void)close(listen_locally(0));
    connect_within_ms = 5000;
    side_call(&side, do_connect, &error);
    client = -1;
    wait_for_the_end(LOSS_CLOSED);
    assert_int_equal(error, -ECONNREFUSED);
    assert_int_equal(atomic_load(&seen.owner_writable), NEVER);
}

/* A backlog that is full leaves the next one without an answer. */
static void a_connection_that_hangs_times_out(void **state)
{
    int     listener = listen_locally(1), fillers[16], error = 0;
    bool    is_in_progress;
    int64_t start_ms;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        assert_int_equal(socket_connect(&target, NULL, &fillers[i], &is_in_progress), 0);
    (void)usleep(50 * 1000);
    start_ms = clock_mono_ms();
    connect_within_ms = 200;
    side_call(&side, do_connect, &error);
    client = -1;
    wait_for_the_end(LOSS_TIMEOUT);
    assert_in_range(clock_mono_ms() - start_ms, 150, 2000);
    assert_int_equal(error, -ETIMEDOUT);
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        (void)close(fillers[i]);
    (void)close(listener);
}

#define WITH_SIDE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void must_not_rest(struct transport *transport)
{
    (void)transport;
    fail();
}

static void closed_conns_have_nothing_to_give_back(void **state)
{
    static const struct transport_ops ops = { .rest = must_not_rest };
    struct conn                       dead = { .is_closed = true, .transport = { .ops = &ops } };

    (void)state;
    conn_rest(&dead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SIDE(lines_come_back),
        WITH_SIDE(a_line_may_come_byte_by_byte),
        WITH_SIDE(a_long_line_is_kept_until_it_is_whole),
        WITH_SIDE(an_idle_one_holds_nothing_and_is_quiet),
        WITH_SIDE(a_hung_up_one_is_not_quiet),
        WITH_SIDE(the_end_of_input_lets_output_out),
        WITH_SIDE(a_reset_is_a_loss),
        WITH_SIDE(nonsense_closes),
        WITH_SIDE(the_protocol_may_reset),
        WITH_SIDE(the_owner_may_close),
        WITH_SIDE(memory_stays_while_it_is_held),
        WITH_SIDE(an_idle_conn_expires),
        WITH_SIDE(a_conn_in_use_is_not_idle),
        WITH_SIDE(a_slow_line_expires),
        WITH_SIDE(a_slow_body_does_not_expire_while_it_moves),
        WITH_SIDE(timeouts_may_change),
        WITH_SIDE(a_blocked_write_expires),
        WITH_SIDE(a_timeout_may_be_a_reset),
        WITH_SIDE(full_pipes_stop_the_sender),
        WITH_SIDE(a_reset_is_heard_while_paused),
        WITH_SIDE(unread_input_does_not_cut_the_answer),
        WITH_SIDE(large_bodies_pass_by_the_lane),
        WITH_SIDE(what_was_written_early_goes_out),
        WITH_SIDE(what_is_said_first_goes_in_pieces),
        WITH_SIDE(what_is_said_first_has_to_go_in_time),
        WITH_SIDE(a_refused_connection_says_why),
        WITH_SIDE(a_connection_that_hangs_times_out),
        cmocka_unit_test(closed_conns_have_nothing_to_give_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
