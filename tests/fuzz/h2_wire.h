// SPDX-License-Identifier: MIT
/* What the targets of the HTTP/2 codec share: a connection without a socket whose other side is the
 * input, and parties that own streams and do different things with them, by their number.
 *
 * The input is a first byte (bits: raw bytes, small pieces, small writes) and then frames in short
 * form: type, flags, stream, length, payload; or, raw, bytes as they are. */
#ifndef TESTS_FUZZ_H2_WIRE_H
#define TESTS_FUZZ_H2_WIRE_H

#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/must.h"
#include "http/h2_codec.h"
#include "net/loop.h"
#include "net/task_queue.h"

enum { PARTIES = 32, PIPE_BYTES = 4096, ANSWER_BYTES = 30000, FRAME_HEAD_BYTES = 9 };
enum { MODE_RAW = 1, MODE_PIECES = 2, MODE_SMALL_WRITES = 4 };

struct party {
    struct task    task;
    struct stream *stream;               /* NULL: free */
    struct arena  *arena;
    struct pipe    rx, tx;
    unsigned       number, turns;
};

static struct wire {
    struct loop      *loop;
    struct conn       conn;
    struct codec     *codec;
    struct codec_host host;
    struct party      parties[PARTIES];
    unsigned          mode;
    bool              is_over;
} wire;

static const struct head_limits limits = { 1024, 1024, 4096, 32 };
static const struct h2_settings settings = { 16, 65535, 8192, 65535 };

/* What a party does; once for each wake, and once for each turn. */
static void party_act(struct party *party);

static void party_run(struct task *task, unsigned wakes)
{
    (void)wakes;
    party_act(container_of(task, struct party, task));
}

static void nothing_run(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
}

static struct party *party_new(struct stream *stream, struct arena *arena)
{
    struct party *party = wire.parties;

    while (party < wire.parties + PARTIES && party->stream != NULL)
        party++;
    must(party < wire.parties + PARTIES);
    memset(party, 0, sizeof(*party));
    party->stream = stream;
    party->arena = stream->arena = arena;
    party->number = stream->number;
    task_init(&party->task, party_run);
    stream->owner = &party->task;
    pipe_init(&party->rx, PIPE_BYTES);
    pipe_init(&party->tx, ANSWER_BYTES);
    pipe_set_writer(&party->rx, &stream->task);
    pipe_set_reader(&party->tx, &stream->task);
    stream->rx_body = &party->rx;
    return party;
}

static void party_leave(struct party *party)
{
    task_cancel(&party->task);
    party->stream->ops->release(party->stream);
    party->stream = NULL;
    pipe_done(&party->rx);
    pipe_done(&party->tx);
    arena_free(&party->arena);
}

static void party_say(struct party *party, size_t len, bool is_end)
{
    static char bytes[ANSWER_BYTES];

    if (len > 0)
        pipe_put(&party->tx, slice_copy(text_of(bytes, len)));
    if (is_end)
        pipe_end(&party->tx);
}

static void party_read(struct party *party)
{
    if (party->rx.fill > 0)
        pipe_drop(&party->rx, party->rx.fill < 1000 ? party->rx.fill : 1000);
}

/* ---- the wire ---- */

static void tasks_run(void)
{
    task_queue_renew(task_queue_self());
    for (int i = 0; i < 50 && task_queue_run(task_queue_self(), 50); i++) {
    }
}

static void write_out(void)
{
    struct protocol *protocol = &wire.codec->protocol;
    struct iovec     iov[16];
    int              n, writes = 0;

    while (writes++ < 20 && (n = protocol->ops->fill(protocol, iov, 16)) > 0) {
        size_t sum = 0;

        must(n <= 16);
        for (int i = 0; i < n; i++) {
            must(iov[i].iov_len > 0);
            sum += iov[i].iov_len;
        }
        protocol->ops->sent(protocol, wire.mode & MODE_SMALL_WRITES ? (sum + 1) / 2 : sum);
    }
}

static void turn(void)
{
    tasks_run();
    for (unsigned i = 0; i < PARTIES; i++)
        if (wire.parties[i].stream != NULL)
            party_act(&wire.parties[i]);
    tasks_run();
    write_out();
    tasks_run();
    wire.is_over |= wire.codec->protocol.is_closing || wire.codec->protocol.must_reset;
}

static void feed(const uint8_t *bytes, size_t len)
{
    struct protocol *protocol = &wire.codec->protocol;
    struct slice     slice = slice_copy(text_of((const char *)bytes, len));
    uint32_t         used = 0, piece = 7;

    for (int tries = 0; used < len && !wire.is_over && tries < 100; tries++) {
        struct slice rest = slice_part(slice, used, slice.len - used);
        ssize_t      n;

        if (wire.mode & MODE_PIECES)
            rest.len = rest.len < piece ? rest.len : piece;
        n = protocol->is_paused ? 0 : protocol->ops->feed(protocol, rest);
        must(n <= (ssize_t)rest.len);
        slice_unref(rest);
        if (n < 0)
            wire.is_over = true;
        else
            used += (uint32_t)n;
        piece = n > 0 ? 7 : piece + 7;   /* what was not used is offered again, with more */
        turn();
    }
    slice_unref(slice);
}

static size_t feed_frame(const uint8_t *bytes, size_t len)
{
    uint8_t frame[FRAME_HEAD_BYTES + UINT8_MAX] = { 0 };
    size_t  payload = len > 4 ? len - 4 : 0;

    if (len < 4)
        return len;
    payload = bytes[3] < payload ? bytes[3] : payload;
    frame[2] = (uint8_t)payload;
    frame[3] = bytes[0];
    frame[4] = bytes[1];
    frame[8] = bytes[2];
    memcpy(frame + FRAME_HEAD_BYTES, bytes + 4, payload);
    feed(frame, FRAME_HEAD_BYTES + payload);
    return 4 + payload;
}

static void wire_begin(struct codec *codec, unsigned mode)
{
    wire.codec = codec;
    wire.mode = mode;
    wire.is_over = false;
    memset(&wire.conn, 0, sizeof(wire.conn));
    wire.conn.loop = wire.loop;
    wire.conn.transport = (struct transport){ .ops = &transport_tcp, .fd = -1 };
    task_init(&wire.conn.task, nothing_run);
    codec->protocol.conn = &wire.conn.task;
    codec->ops->attach(codec, &wire.conn);
    codec->ops->set_limits(codec, &limits);
}

static void wire_end(unsigned how)
{
    struct protocol *protocol = &wire.codec->protocol;

    if (how == 0)
        protocol->ops->finish(protocol);
    turn();
    protocol->ops->lost(protocol, how == 0 ? LOSS_CLOSED : LOSS_TIMEOUT);
    tasks_run();
    for (unsigned i = 0; i < PARTIES; i++)
        if (wire.parties[i].stream != NULL)
            party_leave(&wire.parties[i]);
    must(!protocol->ops->is_held(protocol));
    tasks_run();
    task_cancel(&wire.conn.task);
    protocol->ops->free(&protocol);
    loop_stop(wire.loop);
    loop_run(wire.loop);                 /* no turn, but the dead are buried */
    must(block_total() == 0);
}

#endif
