// SPDX-License-Identifier: MIT
/* HTTP/1 as a codec: what its server and client sides have in common. */
#include "http/h1_codec.h"

#include <string.h>

#include "base/pool.h"
#include "http/h1_parts.h"
#include "net/tally.h"

static struct pool pool = POOL("h1_codec", struct h1_codec, 256);

static void h1_stream_run(struct task *task, unsigned wakes);

struct h1_codec *h1_of(struct protocol *protocol)
{
    return container_of(protocol, struct h1_codec, codec.protocol);
}

struct h1_codec *h1_of_stream(struct stream *stream)
{
    return container_of(stream, struct h1_codec, stream);
}

static struct h1_codec *h1_of_codec(const struct codec *codec)
{
    return container_of(codec, struct h1_codec, codec);
}

void h1_init(struct h1_codec *h1, const struct protocol_ops *protocol_ops,
             const struct codec_ops *codec_ops, const struct stream_ops *stream_ops)
{
    h1->codec.protocol.ops = protocol_ops;
    h1->codec.ops = codec_ops;
    h1->stream.ops = stream_ops;
    task_init(&h1->stream.task, h1_stream_run);
}

struct codec *h1_server_new(const struct head_limits *limits, struct codec_host *host)
{
    struct h1_codec *h1 = pool_take(&pool);

    h1_server_init(h1);
    h1->limits = *limits;
    h1->codec.host = host;
    return &h1->codec;
}

struct codec *h1_client_new(void)
{
    struct h1_codec *h1 = pool_take(&pool);

    h1_client_init(h1);
    return &h1->codec;
}

void h1_attach(struct codec *codec, struct conn *conn)
{
    struct h1_codec *h1 = h1_of_codec(codec);

    h1->conn = conn;
    h1->stream.conn = conn;
}

void h1_set_limits(struct codec *codec, const struct head_limits *limits)
{
    h1_of_codec(codec)->limits = *limits;
}

bool h1_is_idle(const struct codec *codec)
{
    const struct h1_codec *h1 = h1_of_codec(codec);

    return !h1->is_open && !h1->is_lost && !h1->must_close && h1->rx == RX_HEAD &&
           h1->scan.offset == 0 && !codec->protocol.is_closing;
}

const struct task *h1_owner(const struct codec *codec)
{
    return h1_of_codec(codec)->stream.owner;
}

const struct task *h1_owner_of_task(const struct task *task)
{
    return task->run == h1_stream_run ? container_of(task, struct stream, task)->owner : NULL;
}

unsigned h1_count(const struct codec *codec)
{
    return h1_of_codec(codec)->messages;
}

void h1_set_count(struct codec *codec, unsigned count)
{
    h1_of_codec(codec)->messages = count;
}

void h1_use(struct stream *stream, const struct conn_timeouts *timeouts)
{
    if (!h1_of_stream(stream)->is_lost)
        conn_set_timeouts(stream->conn, timeouts);
}

/* ---- what both sides do ---- */

/* Wakes from the pipes: room in what we write, data in what we read. */
static void h1_stream_run(struct task *task, unsigned wakes)
{
    struct h1_codec *h1 = container_of(task, struct h1_codec, stream.task);

    if (h1->is_lost)
        return;
    if (wakes & WAKE_ROOM)
        h1_resume(h1);
    task_wake(&h1->conn->task, WAKE_DATA);
}

void h1_wake_owner(struct h1_codec *h1, unsigned wakes)
{
    if (h1->is_open && h1->stream.owner != NULL)
        task_wake(h1->stream.owner, wakes);
}

void h1_fail(struct h1_codec *h1, int fault)
{
    struct stream *stream = &h1->stream;

    h1->must_close = true;
    if (!h1->is_open)
        return;
    if (stream->fault == FAULT_NONE)
        stream->fault = fault;
    if (stream->rx_body != NULL && !stream->rx_body->is_ended)
        pipe_break(stream->rx_body, fault);
    h1_wake_owner(h1, WAKE_FAULT);
}

void h1_close(struct h1_codec *h1)
{
    h1->codec.protocol.is_closing = true;
    if (!h1->is_lost)
        task_wake(&h1->conn->task, WAKE_END);
}

void h1_pause(struct h1_codec *h1)
{
    h1->codec.protocol.is_paused = true;
}

void h1_resume(struct h1_codec *h1)
{
    if (!h1->codec.protocol.is_paused)
        return;
    h1->codec.protocol.is_paused = false;
    if (!h1->is_lost)
        task_wake(&h1->conn->task, WAKE_ROOM);
}

void h1_start_tunnel(struct stream *stream)
{
    struct h1_codec *h1 = h1_of_stream(stream);

    h1->must_close = true;
    h1->rx = RX_TUNNEL;
    h1->tx = TX_RAW;
    stream->is_tx_done = stream->is_rx_done = false;
    h1_resume(h1);
    if (!h1->is_lost)
        task_wake(&h1->conn->task, WAKE_DATA);
}

void h1_next_message(struct h1_codec *h1)
{
    struct stream *stream = &h1->stream;

    stream->owner = NULL;
    stream->arena = NULL;
    stream->rx_head = stream->tx_head = stream->rx_interim = NULL;
    stream->rx_body = stream->tx_body = NULL;
    stream->rx_trailers = stream->tx_trailers = NULL;
    stream->rx_bytes = stream->tx_bytes = 0;
    stream->rx_most = 0;
    stream->fault = FAULT_NONE;
    stream->is_tx_done = stream->is_rx_done = stream->is_last = stream->is_suspect =
        stream->has_reply_begun = stream->is_tail_held = false;
    h1->rx = RX_HEAD;
    h1->tx = TX_NOTHING;
    h1->scan = (struct h1_scan){ 0 };
    h1->interims = h1->empty_lines = 0;
    h1->has_sent_continue = h1->has_sent_head = false;
}

void h1_drop_output(struct h1_codec *h1)
{
    h1->out = h1->after = TEXT_NONE;
    h1->frame_at = h1->frame_len = 0;
    h1->tx = TX_NOTHING;
    h1->conn->is_blocked = false;   /* by what is gone now */
}

void h1_let_go(struct h1_codec *h1)
{
    struct stream *stream = &h1->stream;

    h1->is_open = false;
    stream->owner = NULL;
    stream->rx_body = stream->tx_body = NULL;
    h1_drop_output(h1);
    task_cancel(&stream->task);
    if (h1->is_lost)
        task_wake(&h1->conn->task, WAKE_END);   /* its memory may go now */
}

void h1_note_reading(struct h1_codec *h1, bool is_reading)
{
    if (h1->is_reading == is_reading)
        return;
    h1->is_reading = is_reading;
    if (is_reading)
        tally_add(TALLY_READING);
    else
        tally_drop(TALLY_READING);
}

bool h1_is_held(const struct protocol *protocol)
{
    return h1_of((struct protocol *)protocol)->is_open;
}

void h1_free(struct protocol **protocol)
{
    struct h1_codec *h1 = h1_of(*protocol);

    *protocol = NULL;
    h1_note_reading(h1, false);
    task_cancel(&h1->stream.task);
    pool_give(&pool, h1);
}
