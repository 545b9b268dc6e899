// SPDX-License-Identifier: MIT
/* A connection's turn: read and feed, later flush, then settle (close or arm the deadline). */
#include "net/conn.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>

#include "base/must.h"
#include "base/pool.h"
#include "base/shortage.h"
#include "net/lane.h"
#include "net/pipe.h"
#include "net/room.h"
#include "net/socket.h"

enum {
    READS_PER_TURN = 8,         /* then others are read */
    VECTORS = 16,
    JOIN_BYTES = 4096,          /* up to here several pieces become one */
    KEEP_GRAIN = 1024,          /* kept bytes lie in blocks of multiples of this */
    KEEP_ROOM = 512,            /* room that is worth a read */
    FRONT_BYTES = 64,           /* kept bytes up to here go in front of the next read */
    GIVE_BYTES = 256 * 1024,    /* of a lane at once: a megabyte costs a third more in one piece */
    LINGER_BYTES = 256 * 1024,  /* what a lingering conn swallows at most per run */
    HANDSHAKES_PER_TURN = 2     /* steps of them, of all conns: each may take as long as a hundred requests,
                                   and a turn more is nothing beside it */
};

static struct pool pool = POOL("conn", struct conn, 256);
static atomic_ullong serials;

static void conn_run(struct task *task, unsigned wakes);
static void conn_flush(struct flush *flush);
static void conn_release(struct corpse *corpse);
static void conn_read(struct conn *conn);
static void conn_expire(struct conn *conn);
static void conn_settle(struct conn *conn);
static void linger_begin(struct conn *conn);
static void linger_renew(struct conn *conn);
static void linger_read(struct conn *conn);

static struct conn *conn_make(struct loop *loop, int fd, struct protocol *protocol,
                              const struct conn_timeouts *timeouts, struct task *owner)
{
    struct conn *conn = pool_take(&pool);

    task_init(&conn->task, conn_run);
    conn->transport = (struct transport){ .ops = &transport_tcp, .fd = fd };
    conn->protocol = protocol;
    protocol->conn = &conn->task;
    conn->loop = loop;
    conn->watch = (struct watch){ .fd = fd, .task = &conn->task };
    timer_init(&conn->timer, &conn->task);
    list_init(&conn->flush.link);
    conn->flush.run = conn_flush;
    conn->corpse.release = conn_release;
    list_init(&conn->link);
    conn->timeouts = *timeouts;
    conn->owner = owner;
    conn->since_ms = conn->wrote_ms = loop_now_ms(loop);
    conn->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) + 1;
    return conn;
}

/* NULL, and everything taken is gone, when the poller refused (-errno). */
static struct conn *conn_if_watched(struct conn *conn, int error)
{
    if (error == 0)
        return conn;
    room_conn_closed();
    conn->transport.ops->close(&conn->transport);
    conn->protocol->ops->free(&conn->protocol);
    pool_give(&pool, conn);
    return NULL;
}

struct conn *conn_new(struct loop *loop, int fd, struct protocol *protocol,
                      const struct conn_timeouts *timeouts, struct task *owner)
{
    struct conn *conn = conn_make(loop, fd, protocol, timeouts, owner);

    room_conn_opened();
    conn = conn_if_watched(conn, loop_watch(loop, &conn->watch, false));
    if (conn != NULL) {
        conn->is_writable = true;
        conn_settle(conn);
    }
    return conn;
}

struct conn *conn_resume(struct loop *loop, int fd, struct protocol *protocol,
                         const struct conn_timeouts *timeouts, struct task *owner)
{
    struct conn *conn = conn_make(loop, fd, protocol, timeouts, owner);

    conn = conn_if_watched(conn, loop_rewatch(loop, &conn->watch));
    if (conn != NULL) {
        conn->is_writable = conn->is_readable = true;
        conn_settle(conn);
        task_wake(&conn->task, WAKE_READABLE);
    }
    return conn;
}

struct conn *conn_open(struct loop *loop, int fd, struct protocol *protocol,
                       const struct conn_timeouts *timeouts, struct task *owner,
                       int64_t deadline_ms)
{
    struct conn *conn = conn_make(loop, fd, protocol, timeouts, owner);

    room_conn_opened();
    conn = conn_if_watched(conn, loop_watch(loop, &conn->watch, false));
    if (conn != NULL) {
        conn->is_connecting = true;
        timer_set(loop_timers(loop), &conn->timer, deadline_ms);
    }
    return conn;
}

void conn_become(struct conn *conn, struct protocol *protocol)
{
    struct protocol *former = conn->protocol;

    conn->protocol = protocol;
    protocol->conn = &conn->task;
    former->ops->free(&former);
}

void conn_say_first(struct conn *conn, struct text bytes)
{
    must(conn->is_connecting && conn->first.block == NULL);
    conn->first = slice_copy(bytes);
}

void conn_secure(struct conn *conn, struct transport transport, int64_t deadline_ms)
{
    conn->transport = transport;
    conn->is_securing = true;
    conn->quiet_turn = loop_turns(conn->loop);
    if (deadline_ms == INT64_MAX)
        timer_stop(&conn->timer);
    else
        timer_set(loop_timers(conn->loop), &conn->timer, deadline_ms);
    task_wake(&conn->task, WAKE_READABLE);
}

void conn_hasten(struct conn *conn, int64_t deadline_ms)
{
    if (conn->is_securing &&
        (conn->timer.deadline_ms == TIMER_OFF || deadline_ms < conn->timer.deadline_ms))
        timer_set(loop_timers(conn->loop), &conn->timer, deadline_ms);
}

void conn_set_timeouts(struct conn *conn, const struct conn_timeouts *timeouts)
{
    conn->timeouts = *timeouts;
}

/* ---- the end ---- */

static void conn_bury_if_free(struct conn *conn)
{
    if (conn->is_buried || conn->protocol->ops->is_held(conn->protocol))
        return;
    conn->is_buried = true;
    task_cancel(&conn->task);
    loop_bury(conn->loop, &conn->corpse);
}

static void conn_release(struct corpse *corpse)
{
    struct conn *conn = container_of(corpse, struct conn, corpse);

    task_cancel(&conn->task);
    conn->protocol->ops->free(&conn->protocol);
    pool_give(&pool, conn);
}

void conn_close(struct conn *conn, enum loss why)
{
    if (conn->is_closed)
        return;
    conn->is_closed = true;
    timer_remove(loop_timers(conn->loop), &conn->timer);
    list_remove(&conn->flush.link);
    list_remove(&conn->link);
    slice_unref(conn->pending);
    slice_unref(conn->first);
    conn->pending = conn->first = SLICE_NONE;
    conn->protocol->ops->lost(conn->protocol, why);   /* which may ask for a reset */
    if (conn->protocol->must_reset || (why == LOSS_TIMEOUT && conn->is_reset_on_timeout))
        socket_set_reset(conn->transport.fd);
    conn->transport.ops->close(&conn->transport);
    room_conn_closed();
    if (conn->error_to != NULL)
        *conn->error_to = conn->error;
    if (conn->owner != NULL)
        task_wake(conn->owner, WAKE_END);
    conn_bury_if_free(conn);
}

int conn_detach(struct conn *conn)
{
    int fd = conn->transport.fd;

    must(!conn->is_closed && conn->pending.len == 0 && !conn->is_blocked &&
         conn->transport.ops->is_plain);
    conn->is_closed = true;
    conn->transport.fd = -1;
    timer_remove(loop_timers(conn->loop), &conn->timer);
    list_remove(&conn->flush.link);
    list_remove(&conn->link);
    conn_bury_if_free(conn);
    must(conn->is_buried);
    return fd;
}

void conn_close_detached(int fd)
{
    (void)close(fd);
    room_conn_closed();
}

/* ---- the turn ---- */

/* 0: all of it is out; -EAGAIN: the poller tells when to call again; -errno. */
static int send_first(struct conn *conn)
{
    while (conn->first.len > 0) {
        struct iovec iov = { .iov_base = (void *)slice_ptr(conn->first), .iov_len = conn->first.len };
        ssize_t      n = conn->transport.ops->write(&conn->transport, &iov, 1);

        if (n < 0)
            return (int)n;
        conn->bytes_out += (uint64_t)n;
        conn->first.start += (uint32_t)n;
        conn->first.len -= (uint32_t)n;
    }
    slice_unref(conn->first);
    conn->first = SLICE_NONE;
    return 0;
}

static void connect_go_on(struct conn *conn)
{
    int error = socket_error(conn->transport.fd);

    if (error == 0)
        error = send_first(conn);
    if (error == -EAGAIN)
        return;
    if (error < 0) {
        conn->error = error;
        conn_close(conn, LOSS_CLOSED);
        return;
    }
    conn->is_connecting = false;
    conn->is_writable = true;
    timer_stop(&conn->timer);
    task_wake(conn->owner, WAKE_WRITABLE);
    task_wake(&conn->task, 0);           /* behind the owner, who may choose another protocol */
}

/* A crowd of handshakes must not keep the others waiting: what is too much for this turn is for the next. */
static bool may_handshake(struct loop *loop)
{
    static thread_local uint64_t turn;
    static thread_local unsigned steps;

    if (turn != loop_turns(loop)) {
        turn = loop_turns(loop);
        steps = 0;
    }
    return steps++ < HANDSHAKES_PER_TURN;
}

static void handshake(struct conn *conn)
{
    int error;

    if (!may_handshake(conn->loop)) {
        task_wake_last(&conn->task, WAKE_READABLE);
        return;
    }
    error = conn->transport.ops->handshake(&conn->transport);
    /* A short read is not the end, and of a hangup the poller speaks but once. */
    if (error == -EAGAIN && conn->has_hangup)
        error = conn->transport.ops->handshake(&conn->transport);
    if (error == -EAGAIN)
        return;
    if (error < 0) {
        conn->error = error;
        conn_close(conn, LOSS_CLOSED);
        return;
    }
    conn->is_securing = false;
    conn->is_writable = true;
    conn->since_ms = loop_now_ms(conn->loop);
    conn->quiet_turn = loop_turns(conn->loop);
    timer_stop(&conn->timer);
    task_wake(conn->owner, WAKE_WRITABLE);
    task_wake(&conn->task, WAKE_READABLE);   /* behind the owner */
}

/* In a later turn the poller may have told us of more, and who hangs up is told of once. */
static void quiet_review(struct conn *conn)
{
    if (conn->transport.is_quiet &&
        (conn->has_hangup || conn->quiet_turn != loop_turns(conn->loop)))
        conn->transport.is_quiet = false;
}

/* Who has output says so with WAKE_DATA; the poller calls a socket writable whenever it calls it
 * readable, which is news only to a blocked one. */
static bool may_write_more(const struct conn *conn, unsigned wakes)
{
    return (wakes & WAKE_DATA) || ((wakes & WAKE_WRITABLE) && !conn->is_writable);
}

static void conn_run(struct task *task, unsigned wakes)
{
    struct conn *conn = container_of(task, struct conn, task);

    conn->has_output |= may_write_more(conn, wakes);
    if (conn->is_closed) {
        conn_bury_if_free(conn);
        return;
    }
    if (wakes & WAKE_READABLE)
        conn->is_readable = true;
    if (wakes & WAKE_HANGUP)
        conn->has_hangup = true;
    if (conn->is_connecting && (wakes & (WAKE_WRITABLE | WAKE_FAULT))) {
        connect_go_on(conn);
        return;
    }
    if (wakes & WAKE_WRITABLE)
        conn->is_writable = true;
    if (wakes & WAKE_DEADLINE)
        conn_expire(conn);
    if (conn->is_closed || conn->is_connecting)
        return;
    quiet_review(conn);
    if (conn->is_securing) {
        if (wakes & (WAKE_READABLE | WAKE_WRITABLE))
            handshake(conn);
        return;                          /* once it is over the owner has its turn before anything is read */
    }
    /* A paused conn does not read, so only the poller can tell that the other side is gone. */
    if ((wakes & WAKE_FAULT) && conn->protocol->is_paused) {
        conn_close(conn, LOSS_RESET);
        return;
    }
    if (conn->is_lingering)
        linger_read(conn);
    else if (conn->is_readable || conn->pending.len > 0)
        conn_read(conn);
    if (conn->is_closed)
        return;
    loop_flush_later(conn->loop, &conn->flush);
}

/* ---- reading ---- */

/* Bytes that the protocol could not use yet move out of the shared block, so that a slow sender
 * holds on to little more than what it sent. */
static void keep_rest(struct conn *conn, struct slice slice, uint32_t used)
{
    uint32_t      len = slice.len - used;
    struct block *block;

    if ((conn->protocol->is_paused || conn->protocol->is_yielding) &&
        (len > BLOCK_SIZE / 4 || shortage_now() != 0)) {
        conn->pending = slice_part(slice, used, len);
        return;
    }
    block = block_new_sized((len + KEEP_ROOM + KEEP_GRAIN - 1) / KEEP_GRAIN * KEEP_GRAIN);
    memcpy(block->bytes, slice_ptr(slice) + used, len);
    conn->pending = (struct slice){ .block = block, .start = 0, .len = len };
}

/* As protocol_ops have it. A protocol that has given its place to another has taken its own share. */
static ssize_t feed_protocol(struct conn *conn, struct slice slice)
{
    const struct protocol *former;
    uint32_t               used = 0;
    ssize_t                n;

    do {
        former = conn->protocol;
        n = former->ops->feed(conn->protocol, slice_view(slice, used, slice.len - used));
        if (n < 0)
            return n;
        used += (uint32_t)n;
    } while (conn->protocol != former && used < slice.len && !conn->is_securing);
    return used;
}

/* False: the conn is closed. */
static bool feed(struct conn *conn, struct slice slice)
{
    ssize_t used = feed_protocol(conn, slice);

    if (used < 0) {
        slice_unref(slice);
        conn_close(conn, LOSS_CLOSED);
        return false;
    }
    must((uint32_t)used <= slice.len);
    if ((uint32_t)used < slice.len)
        keep_rest(conn, slice, (uint32_t)used);
    slice_unref(slice);
    return true;
}

static bool feed_pending(struct conn *conn)
{
    struct slice slice = conn->pending;

    conn->pending = SLICE_NONE;
    return feed(conn, slice);
}

/* Room behind the pending bytes, in a block that is ours alone. */
static void pending_grow(struct conn *conn)
{
    struct slice *pending = &conn->pending;
    uint32_t      end = pending->start + pending->len;
    struct block *block;

    if (!block_is_shared(pending->block) && pending->block->size - end >= KEEP_ROOM)
        return;
    block = block_new_sized((2 * pending->len + KEEP_ROOM + KEEP_GRAIN) / KEEP_GRAIN * KEEP_GRAIN);
    memcpy(block->bytes, slice_ptr(*pending), pending->len);
    slice_unref(*pending);
    *pending = (struct slice){ .block = block, .start = 0, .len = pending->len };
}

/* One read, into the shared block or behind what is pending. Returns what the transport said. */
static ssize_t read_once(struct conn *conn, struct slice *ret_slice)
{
    uint32_t      front = conn->pending.len <= FRONT_BYTES ? conn->pending.len : 0;
    uint32_t      start, room, most;
    struct block *block;
    ssize_t       n;

    if (conn->pending.len > front) {
        pending_grow(conn);
        block = conn->pending.block;
        start = conn->pending.start + conn->pending.len;
        room = block->size - start;
    } else {
        block = loop_read_room(conn->loop, &start, &room);
        if (block == NULL)
            return -ENOMEM;
        if (front > 0)
            memcpy(block->bytes + start, slice_ptr(conn->pending), front);
        room -= front;
    }
    most =
        conn->protocol->ops->read_most == NULL ? 0 : conn->protocol->ops->read_most(conn->protocol);
    if (most > 0 && room > most)
        room = most;
    n = conn->transport.ops->read(&conn->transport, block->bytes + start + front, room);
    if (n < (ssize_t)room && !conn->has_hangup && !conn->transport.is_over)
        conn->is_readable = false;   /* the edge will come again (epoll(7)) */
    if (n <= 0)
        return n;
    if (conn->pending.len > front) {
        conn->pending.len += (uint32_t)n;
        *ret_slice = conn->pending;
    } else {
        slice_unref(conn->pending);
        *ret_slice = loop_read_used(conn->loop, front + (uint32_t)n);
    }
    conn->pending = SLICE_NONE;
    return n;
}

static void read_ended(struct conn *conn, ssize_t n)
{
    conn->is_readable = false;
    if (n == -EAGAIN)
        return;
    if (n < 0) {
        conn->error = (int)n;
        conn_close(conn, n == -ENOMEM ? LOSS_MEMORY : LOSS_RESET);
        return;
    }
    conn->has_seen_end = true;
    conn->protocol->ops->finish(conn->protocol);
}

/* Moves body bytes past us. 0: not possible here; else as read(). */
static ssize_t splice_in(struct conn *conn)
{
    struct pipe *pipe = NULL;
    uint64_t     want = 0;
    ssize_t      n;

    if (conn->protocol->ops->splice_in != NULL && conn->transport.ops->is_plain &&
        conn->pending.len == 0)
        want = conn->protocol->ops->splice_in(conn->protocol, &pipe);
    if (want == 0)
        return 0;
    if (pipe->lane == NULL && (pipe->lane = lane_open()) == NULL) {
        pipe->may_splice = false;
        return 0;
    }
    n = lane_take(pipe->lane, conn->transport.fd, want);
    if (n == -EAGAIN && lane_fill(pipe->lane) > 0) {
        /* Full, or the socket is empty: the kernel does not say. Look again once it has drained. */
        pipe->is_writer_waiting = true;
        conn->protocol->is_paused = true;
        return n;
    }
    if (n > 0)
        conn->protocol->ops->spliced_in(conn->protocol, (uint64_t)n);
    else
        read_ended(conn, n);
    return n == 0 ? -EPIPE : n;
}

/* Each byte buys time, and never more than the slack: who was quick may not be slow for ever. */
static void pace_renew(struct conn *conn, ssize_t n)
{
    int64_t most_ms = loop_now_ms(conn->loop) + conn->timeouts.body_slack_ms;

    conn->pace_ms += (int64_t)n * 1000 / conn->timeouts.body_rate;
    if (conn->pace_ms > most_ms)
        conn->pace_ms = most_ms;
}

static void note_read(struct conn *conn, ssize_t n)
{
    conn->bytes_in += (uint64_t)n;
    /* A request that is answered within the turn leaves the wait as it was, but idle it was not. */
    if (conn->wait == CONN_WAIT_BODY || conn->wait == CONN_WAIT_IDLE)
        conn->since_ms = loop_now_ms(conn->loop);
    if (conn->timeouts.body_rate > 0 && conn->wait == CONN_WAIT_BODY)
        pace_renew(conn, n);
}

/* False: nothing more to read now, or closed. */
static bool read_step(struct conn *conn)
{
    struct slice slice;
    ssize_t      n = splice_in(conn);

    if (n < 0)
        return false;
    if (n > 0) {
        note_read(conn, n);
        return true;
    }
    n = read_once(conn, &slice);
    if (n <= 0) {
        read_ended(conn, n);
        return false;
    }
    note_read(conn, n);
    return feed(conn, slice);
}

static bool may_read(const struct conn *conn)
{
    const struct protocol *protocol = conn->protocol;

    return conn->is_readable && !conn->is_securing && !protocol->is_paused && !protocol->is_closing;
}

/* A conn may run often in a turn, by what its own bytes set off; it is read no more for that. */
static bool has_had_its_turn(struct conn *conn)
{
    uint64_t turn = loop_turns(conn->loop);

    if (conn->read_turn != turn) {
        conn->read_turn = turn;
        conn->reads = 0;
        conn->protocol->is_yielding = false;
    }
    return conn->reads >= READS_PER_TURN || conn->protocol->is_yielding;
}

static bool has_pending(const struct conn *conn)
{
    return conn->pending.len > 0 && !conn->protocol->is_paused;
}

static void conn_read(struct conn *conn)
{
    if (!has_had_its_turn(conn) && has_pending(conn) && !feed_pending(conn))
        return;
    while (may_read(conn) && !has_had_its_turn(conn)) {
        conn->reads++;
        if (!read_step(conn))
            return;
    }
    if (has_had_its_turn(conn) && (may_read(conn) || has_pending(conn)))
        task_wake_last(&conn->task, WAKE_ROOM);
}

/* ---- writing ---- */

/* The other side takes no more. What it said before that may still wait to be read. */
static void write_failed(struct conn *conn, ssize_t error)
{
    conn->error = (int)error;
    conn->is_readable = true;
    conn->read_turn = UINT64_MAX;        /* there is no other turn */
    conn_read(conn);
    conn_close(conn, LOSS_RESET);
}

static void write_blocked(struct conn *conn)
{
    conn->is_writable = false;
    if (!conn->is_blocked)
        conn->wrote_ms = loop_now_ms(conn->loop);
    conn->is_blocked = true;
}

static void note_written(struct conn *conn, ssize_t n)
{
    conn->bytes_out += (uint64_t)n;
    conn->is_blocked = false;
    if (n > 0)
        conn->wrote_ms = loop_now_ms(conn->loop);
}

/* False: nothing to splice, blocked, or closed. */
static bool splice_out(struct conn *conn)
{
    struct protocol *protocol = conn->protocol;
    struct pipe     *pipe = NULL;
    uint64_t         most = 0;
    ssize_t          n;

    if (protocol->ops->splice_out != NULL)
        most = protocol->ops->splice_out(protocol, &pipe);
    if (most == 0) {
        conn->is_blocked = false;   /* what was in the way is gone */
        return false;
    }
    n = lane_give(pipe->lane, conn->transport.fd, most < GIVE_BYTES ? most : GIVE_BYTES, 0);
    if (n == -EAGAIN) {
        write_blocked(conn);
        return false;
    }
    if (n < 0) {
        write_failed(conn, n);
        return false;
    }
    note_written(conn, n);
    protocol->ops->spliced_out(protocol, (uint64_t)n);
    return true;
}

/* Copying a little costs less than a system call with a vector. */
static int join_small(struct iovec *iov, int count, size_t total)
{
    static thread_local char joined[JOIN_BYTES];
    size_t                   at = 0;

    if (count == 1 || total > JOIN_BYTES)
        return count;
    for (int i = 0; i < count; i++) {
        memcpy(joined + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    iov[0] = (struct iovec){ .iov_base = joined, .iov_len = total };
    return 1;
}

/* Does the socket take no more, of which `n` bytes were taken now? */
static bool is_full(const struct conn *conn, ssize_t n, size_t total)
{
    return conn->transport.ops->is_plain || n < 0 ? n < (ssize_t)total : conn->transport.has_unsent;
}

/* One gathered write. False: nothing more to write now, or closed. */
static bool write_step(struct conn *conn)
{
    struct protocol *protocol = conn->protocol;
    struct iovec     iov[VECTORS] UNINITIALIZED;
    int              count = protocol->ops->fill(protocol, iov, VECTORS);
    size_t           total = 0;
    ssize_t          n;

    if (count == 0)
        return splice_out(conn);
    for (int i = 0; i < count; i++)
        total += iov[i].iov_len;
    count = join_small(iov, count, total);
    n = conn->transport.ops->write(&conn->transport, iov, count);
    if (n < 0 && n != -EAGAIN) {
        write_failed(conn, n);
        return false;
    }
    if (n > 0) {
        note_written(conn, n);
        protocol->ops->sent(protocol, (size_t)n);
    }
    if (!is_full(conn, n, total))
        return true;
    write_blocked(conn);
    return false;
}

/* What the transport took before and could not send. False: some of it still waits, or closed. */
static bool flush_transport(struct conn *conn)
{
    int error = conn->transport.ops->flush(&conn->transport);

    if (error == -EAGAIN)
        write_blocked(conn);
    else if (error < 0)
        write_failed(conn, error);
    else
        conn->is_blocked = false;
    return error == 0;
}

static bool may_write(const struct conn *conn)
{
    return conn->is_writable && !conn->is_lingering;
}

static void conn_flush(struct flush *flush)
{
    struct conn *conn = container_of(flush, struct conn, flush);

    if (conn->is_closed || conn->is_connecting || conn->is_securing)
        return;
    task_note_running(&conn->task);
    /* In a full turn its own wake may still wait, and last words with it. */
    conn->has_output |= (conn->task.wakes & WAKE_DATA) != 0;
    if (conn->transport.has_unsent && may_write(conn) && !flush_transport(conn))
        conn->has_output = false;
    while (conn->has_output && may_write(conn))
        if (!write_step(conn))
            break;
    conn->has_output = false;
    if (!conn->is_closed)
        conn_settle(conn);
}

/* ---- between the turns ---- */

static bool may_linger(const struct conn *conn)
{
    const struct protocol *protocol = conn->protocol;

    return (protocol->must_linger || conn->timeouts.is_lingering_always) &&
           conn->timeouts.linger_ms > 0 && !protocol->must_reset && !conn->has_seen_end;
}

/* By a socket that takes no more for now. */
static bool is_held_up(const struct conn *conn)
{
    return conn->is_blocked || conn->transport.has_unsent;
}

static bool is_paced(const struct conn *conn)
{
    return conn->timeouts.body_rate > 0 && conn->wait == CONN_WAIT_BODY;
}

static void conn_settle(struct conn *conn)
{
    struct protocol *protocol = conn->protocol;
    enum conn_wait   wait;
    int64_t          deadline_ms = INT64_MAX;

    if (conn->is_lingering || conn->is_securing)
        return;
    if (protocol->must_reset || (protocol->is_closing && !is_held_up(conn))) {
        if (may_linger(conn))
            linger_begin(conn);
        else
            conn_close(conn, LOSS_CLOSED);
        return;
    }
    wait = protocol->ops->wait(protocol);
    if (wait != conn->wait) {
        conn->wait = (uint8_t)wait;
        conn->since_ms = loop_now_ms(conn->loop);
        conn->pace_ms = conn->since_ms + conn->timeouts.body_slack_ms;
    }
    if (is_held_up(conn) && conn->timeouts.send_ms > 0)
        deadline_ms = conn->wrote_ms + conn->timeouts.send_ms;
    if (conn->timeouts.waits_ms[wait] > 0 &&
        conn->since_ms + conn->timeouts.waits_ms[wait] < deadline_ms)
        deadline_ms = conn->since_ms + conn->timeouts.waits_ms[wait];
    if (is_paced(conn) && conn->pace_ms < deadline_ms)
        deadline_ms = conn->pace_ms;
    if (deadline_ms == INT64_MAX)
        timer_stop(&conn->timer);
    else
        timer_set(loop_timers(conn->loop), &conn->timer, deadline_ms);
}

static void conn_expire(struct conn *conn)
{
    int64_t  now_ms = loop_now_ms(conn->loop);
    uint32_t wait_ms = conn->timeouts.waits_ms[conn->wait];

    if (conn->is_lingering) {   /* no reset: our last answer may still be on its way */
        conn_close(conn, LOSS_CLOSED);
    } else if (conn->is_connecting || conn->is_securing) {
        conn->error = -ETIMEDOUT;
        conn_close(conn, LOSS_TIMEOUT);
    } else if (is_held_up(conn) && conn->timeouts.send_ms > 0 &&
               now_ms >= conn->wrote_ms + conn->timeouts.send_ms) {
        conn->error = -ETIMEDOUT;
        conn_close(conn, LOSS_TIMEOUT);
    } else if (conn->protocol->ops->wait(conn->protocol) != (enum conn_wait)conn->wait) {
        return;   /* for something else by now */
    } else if (wait_ms > 0 && now_ms >= conn->since_ms + wait_ms) {
        conn->protocol->ops->expire(conn->protocol, (enum conn_wait)conn->wait);
    } else if (is_paced(conn) && now_ms >= conn->pace_ms) {
        conn->protocol->ops->expire(conn->protocol, CONN_WAIT_PACE);
    }
}

/* Closing while the other side still sends would reset the connection, and the reset could overtake
 * our last answer. So we say that we are done and swallow what comes, for a while (RFC 9112 9.6). */
static void linger_begin(struct conn *conn)
{
    conn->is_lingering = true;
    conn->transport.ops->shutdown(&conn->transport);
    slice_unref(conn->pending);
    conn->pending = SLICE_NONE;
    conn->is_readable = true;
    conn->since_ms = loop_now_ms(conn->loop);
    linger_renew(conn);
    task_wake(&conn->task, WAKE_READABLE);
}

static void linger_renew(struct conn *conn)
{
    int64_t renewed_ms = loop_now_ms(conn->loop) + conn->timeouts.linger_ms;
    int64_t last_ms = conn->since_ms + conn->timeouts.linger_most_ms;

    timer_set(loop_timers(conn->loop), &conn->timer, renewed_ms < last_ms ? renewed_ms : last_ms);
}

/* It has sent so much since that it will not read our last words, or has read them. */
static bool is_deaf(const struct conn *conn)
{
    uint32_t most = conn->protocol->linger_most;

    return most > 0 && conn->lingered > most;
}

static void linger_read(struct conn *conn)
{
    for (uint32_t swallowed = 0; conn->is_readable && swallowed < LINGER_BYTES;) {
        uint32_t      start, room;
        struct block *block = loop_read_room(conn->loop, &start, &room);
        ssize_t       n = -ENOMEM;

        if (block != NULL)
            n = conn->transport.ops->read(&conn->transport, block->bytes + start, room);
        if (n == -EAGAIN) {
            conn->is_readable = false;
            return;
        }
        if (n <= 0) {
            conn_close(conn, LOSS_CLOSED);
            return;
        }
        swallowed += (uint32_t)n;
        conn->lingered += (uint32_t)n;
        if (is_deaf(conn)) {
            conn_close(conn, LOSS_CLOSED);
            return;
        }
        linger_renew(conn);
    }
    if (conn->is_readable)
        task_wake_last(&conn->task, WAKE_READABLE);
}

void conn_rest(struct conn *conn)
{
    if (conn->is_closed)
        return;   /* in this turn: its owner has not heard of it yet */
    if (conn->transport.ops->rest != NULL && !conn->transport.has_unsent)
        conn->transport.ops->rest(&conn->transport);
    if (conn->protocol->ops->rest != NULL)
        conn->protocol->ops->rest(conn->protocol);
}

const struct conn *conn_of_task(const struct task *task)
{
    return task->run == conn_run ? container_of(task, struct conn, task) : NULL;
}

bool conn_is_quiet(struct conn *conn)
{
    if (conn->is_closed || conn->has_seen_end || conn->has_hangup || conn->protocol->is_closing ||
        conn->pending.len > 0)
        return false;
    if (!conn->is_readable && !(conn->task.wakes & WAKE_READABLE))
        return true;   /* the poller watches it and has said nothing */
    return socket_is_quiet(conn->transport.fd);
}
