// SPDX-License-Identifier: MIT
/* The side that takes requests: reads heads, hands them to the host, writes answers. */
#include <string.h>

#include "http/h1_parts.h"
#include "http/status.h"

static void head_complete(struct h1_codec *h1, struct text bytes, int fault);

/* ---- bytes in ---- */

/* Empty lines before a request are a common fault of clients (RFC 9112 2.2). -1: too many. */
static ssize_t skip_empty_lines(struct h1_codec *h1, struct text text)
{
    size_t used = 0;

    while (h1->scan.offset == 0 && text.len - used >= 2 && text.ptr[used] == '\r' &&
           text.ptr[used + 1] == '\n') {
        used += 2;
        if (++h1->empty_lines > H1_EMPTY_LINES_MOST)
            return -1;
    }
    return (ssize_t)used;
}

static void begin(struct h1_codec *h1)
{
    h1_note_reading(h1, false);
    h1->is_open = true;
    h1->stream.number = ++h1->messages;
    h1->stream.arena = arena_new();
    h1->stream.is_pipelined = h1->has_more;
    h1->has_more = false;
    h1->stream.rx_budget = h1->stream.tx_budget = BUDGET_NONE;
}

/* Reads a head, or a part of one. -1: not worth an answer. */
static ssize_t read_head(struct h1_codec *h1, struct slice bytes)
{
    struct text text = slice_text(bytes);
    ssize_t     empty = skip_empty_lines(h1, text);
    size_t      size = 0;
    int         fault = FAULT_NONE;

    if (empty < 0)
        return -1;
    text = text_from_offset(text, (size_t)empty);
    if (text.len == 0)
        return empty;
    if (h1->scan.offset == 0 && h1->stream.started_us == 0)
        h1->stream.started_us = loop_now_us(h1->conn->loop);
    switch (h1_find_end(h1, text, &size, &fault)) {
    case H1_SCAN_MORE:
        h1_note_reading(h1, true);
        return empty;
    case H1_SCAN_DONE:
        begin(h1);
        head_complete(h1, text_part(text, 0, size), FAULT_NONE);
        return empty + (ssize_t)size;
    case H1_SCAN_BAD:
        break;
    }
    begin(h1);
    head_complete(h1, text_part(text, 0, text_find(text, '\r')), fault);
    return (ssize_t)bytes.len;
}

/* `bytes` is a whole head, or, with a fault, what there is of its first line. */
static void head_complete(struct h1_codec *h1, struct text bytes, int fault)
{
    struct stream *stream = &h1->stream;
    struct head   *head = ARENA_NEW(stream->arena, struct head);
    struct text    copy = arena_copy(stream->arena, bytes);

    stream->rx_head = head;
    stream->rx_bytes = bytes.len;
    if (fault == FAULT_NONE) {
        fault = h1_parse_request(copy, &h1->limits, stream->arena, head);
    } else {
        head_init(head, stream->arena, 0);
        head->line = text_part(copy, 0, text_find(copy, '\r'));
        if (h1->scan.lines > 0)
            h1_parse_request_line(head->line, stream->arena, head);
        if (head->version == 0)
            head->version = 11;
    }
    if (head->line.ptr == NULL)
        head->line = text_part(copy, 0, text_find(copy, '\r'));
    stream->fault = fault;
    h1->codec.host->accept(h1->codec.host, stream);
    if (fault == FAULT_NONE) {
        h1_begin_body(h1, head);
        return;
    }
    h1->must_close = true;
    h1->rx = RX_DONE;
    stream->is_rx_done = true;
    if (stream->rx_body != NULL)
        pipe_end(stream->rx_body);
}

static ssize_t server_feed(struct protocol *protocol, struct slice bytes)
{
    struct h1_codec *h1 = h1_of(protocol);
    ssize_t          used = 0;

    while ((size_t)used < bytes.len && !protocol->is_paused && !protocol->is_closing) {
        struct slice rest = slice_view(bytes, (uint32_t)used, bytes.len - (uint32_t)used);
        ssize_t      n;

        if (h1->rx == RX_DONE || h1->rx == RX_HOLD) {
            h1_pause(h1);   /* the next request waits until this one is answered */
            break;
        }
        n = h1->rx == RX_HEAD ? read_head(h1, rest) : h1_receive(h1, rest);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += n;
    }
    return used;
}

/* Nobody is left to be answered, but whoever reads the log wants to know. */
static void give_up_head(struct h1_codec *h1)
{
    struct text bytes = slice_text(h1->conn->pending);

    begin(h1);
    head_complete(h1, text_part(bytes, 0, text_find(bytes, '\r')), FAULT_CLIENT_LEFT);
    h1_pause(h1);
}

static void server_finish(struct protocol *protocol)
{
    struct h1_codec *h1 = h1_of(protocol);

    switch ((enum h1_rx)h1->rx) {
    case RX_TUNNEL:
        h1_end_tunnel(h1);
        break;
    case RX_HEAD:
        if (h1->scan.offset > 0)
            give_up_head(h1);
        else
            h1_close(h1);
        break;
    case RX_DRAIN_SIZED:
    case RX_DRAIN_CHUNKED:
        h1_close(h1);
        break;
    case RX_SIZED:
    case RX_CHUNKED:
    case RX_TRAILERS:
    case RX_UNTIL_CLOSE:
    case RX_DONE:
    case RX_HOLD:
        h1_fail(h1, FAULT_CLIENT_GONE);
        break;
    }
}

/* ---- waiting ---- */

static enum conn_wait server_wait(const struct protocol *protocol)
{
    const struct h1_codec *h1 = h1_of((struct protocol *)protocol);

    switch ((enum h1_rx)h1->rx) {
    case RX_HEAD:
        return h1->scan.offset > 0 || h1->messages == 0 ? CONN_WAIT_HEAD : CONN_WAIT_IDLE;
    case RX_SIZED:
    case RX_CHUNKED:
    case RX_TRAILERS:
        return protocol->is_paused ? CONN_WAIT_NONE : CONN_WAIT_BODY;
    case RX_DRAIN_SIZED:
    case RX_DRAIN_CHUNKED:
        return CONN_WAIT_BODY;
    case RX_UNTIL_CLOSE:
    case RX_DONE:
    case RX_HOLD:
    case RX_TUNNEL:
        break;
    }
    return CONN_WAIT_NONE;
}

/* Of a head that never became whole; empty when not even the line did. */
static struct text first_line_of(const struct h1_codec *h1)
{
    struct text bytes = slice_text(h1->conn->pending);

    return h1->scan.lines == 0 ? TEXT("") : text_part(bytes, 0, text_find(bytes, '\r'));
}

static void server_expire(struct protocol *protocol, enum conn_wait wait)
{
    struct h1_codec *h1 = h1_of(protocol);

    if ((wait == CONN_WAIT_BODY || wait == CONN_WAIT_PACE) && h1->is_open) {
        h1_fail(h1, wait == CONN_WAIT_BODY ? FAULT_CLIENT_SLOW_BODY : FAULT_CLIENT_SLOW_PACE);
        h1_pause(h1);
    } else if (wait == CONN_WAIT_HEAD && h1->scan.offset > 0) {
        begin(h1);
        head_complete(h1, first_line_of(h1), FAULT_CLIENT_SLOW_HEAD);
        h1_pause(h1);
    } else if (wait == CONN_WAIT_IDLE && h1->codec.host->resting != NULL) {
        task_wake(h1->codec.host->resting, WAKE_DEADLINE);
    } else {
        h1_close(h1);
    }
}

/* A body that ends with the connection must not seem to end well, nor a head of which some has gone
 * out: there are clients who take it for an answer without a body. */
static void must_not_seem_whole(struct h1_codec *h1)
{
    h1->codec.protocol.must_reset =
        (h1->tx == TX_RAW && h1->rx != RX_TUNNEL) || (h1->has_sent_head && h1->out.len > 0);
}

static void server_lost(struct protocol *protocol, enum loss why)
{
    static const int faults[] = { [LOSS_CLOSED] = FAULT_CLIENT_GONE,
                                  [LOSS_RESET] = FAULT_CLIENT_RESET,
                                  [LOSS_TIMEOUT] = FAULT_CLIENT_STALLED,
                                  [LOSS_SHUTDOWN] = FAULT_SHUTDOWN,
                                  [LOSS_MEMORY] = FAULT_NO_BUFFERS };
    struct h1_codec *h1 = h1_of(protocol);

    h1->is_lost = true;
    if (h1->is_open && !h1->stream.is_tx_done)
        must_not_seem_whole(h1);
    if (h1->is_open && !(h1->stream.is_tx_done && h1->stream.is_rx_done))
        h1_fail(h1, faults[why]);
}

/* ---- the stream ---- */

/* May the connection carry another request after this answer? Decided when the head is written,
 * since that is what tells the client. */
static bool may_persist(const struct h1_codec *h1)
{
    const struct stream *stream = &h1->stream;

    if (h1->must_close || h1->is_draining || stream->is_last || stream->is_suspect ||
        !stream->rx_head->may_persist || stream->tx_head->body == BODY_UNTIL_CLOSE)
        return false;
    if (stream->is_rx_done)
        return true;
    /* An unread body: only if it is small enough to swallow, and sure to come. */
    return h1->rx == RX_SIZED && h1->rx_left <= H1_DRAIN_BYTES &&
           (!stream->rx_head->expects_continue || h1->has_sent_continue);
}

static enum h1_connection connection_of(const struct h1_codec *h1, bool persists)
{
    if (h1->stream.tx_head->status == 101)
        return H1_CONNECTION_UPGRADE;
    if (!persists)
        return H1_CONNECTION_CLOSE;
    return H1_CONNECTION_KEEP_ALIVE;
}

static void server_send(struct stream *stream)
{
    struct h1_codec *h1 = h1_of_stream(stream);
    struct head     *head = stream->tx_head;
    bool             is_head = stream->rx_head->method == METHOD_HEAD;
    bool             has_body = !is_head && status_has_content(head->status);
    bool             keeps_length = head->has_length && (is_head || head->status == 304);
    struct writer    writer = writer_arena(stream->arena, 0);

    if (h1->is_lost)
        return;
    /* HTTP/1.0 knows no chunks: the end of the connection is the end of the body. */
    if (head->body == BODY_CHUNKED && stream->rx_head->version < 11)
        head->body = BODY_UNTIL_CLOSE;
    if (!may_persist(h1))
        h1->must_close = true;
    if (!has_body)
        head->body = BODY_NONE;
    h1_write_response(&writer, head, connection_of(h1, !h1->must_close), keeps_length);
    h1_begin_send(h1, writer_done(&writer), head->body, head->length);
}

static void server_send_interim(struct stream *stream, const struct head *head)
{
    struct h1_codec *h1 = h1_of_stream(stream);
    struct writer    writer = writer_arena(stream->arena, 0);

    if (h1->is_lost || h1->has_sent_head || stream->rx_head->version < 11)
        return;
    h1_write_response(&writer, head, H1_CONNECTION_NONE, false);
    h1_add_out(h1, writer_done(&writer));
    task_wake(&h1->conn->task, WAKE_DATA);
}

static void server_want_body(struct stream *stream)
{
    struct h1_codec *h1 = h1_of_stream(stream);

    if (h1->is_lost || h1->has_sent_continue || h1->has_sent_head || stream->is_rx_done ||
        !stream->rx_head->expects_continue)
        return;
    h1->has_sent_continue = true;
    if (stream->rx_body->total_in > 0)
        return;   /* it comes already (RFC 9110 10.1.1) */
    h1_add_out(h1, TEXT("HTTP/1.1 100 Continue\r\n\r\n"));
    task_wake(&h1->conn->task, WAKE_DATA);
}

static void server_reset(struct stream *stream, int fault)
{
    struct h1_codec *h1 = h1_of_stream(stream);

    h1->must_close = true;
    if (stream->fault == FAULT_NONE)
        stream->fault = fault;
    if (h1->is_lost)
        return;
    must_not_seem_whole(h1);
    h1_drop_output(h1);
    h1_close(h1);
}

static void server_release(struct stream *stream)
{
    struct h1_codec *h1 = h1_of_stream(stream);
    bool             is_complete = stream->is_tx_done, is_read = stream->is_rx_done;
    bool             may_come_more = !is_read || stream->fault != FAULT_NONE;

    h1_let_go(h1);
    stream->started_us = 0;
    if (h1->is_lost)
        return;
    h1->has_more = h1->conn->pending.len > 0;
    if (h1->must_close || h1->is_draining || !is_complete) {
        h1->codec.protocol.must_linger = may_come_more || h1->has_more || stream->is_pipelined;
        h1_close(h1);
        return;
    }
    if (is_read) {
        h1_next_message(h1);
    } else {
        h1->drained = 0;
        h1->rx = RX_DRAIN_SIZED;
    }
    h1_resume(h1);
    task_wake(&h1->conn->task, WAKE_END);   /* arms the next deadline */
}

static void server_drain(struct codec *codec)
{
    struct h1_codec *h1 = container_of(codec, struct h1_codec, codec);

    h1->is_draining = true;
    if (!h1->is_open && h1->scan.offset == 0 && h1->messages > 0)
        h1_close(h1);
}

static const struct protocol_ops server_protocol = {
    .feed = server_feed,
    .finish = server_finish,
    .fill = h1_fill,
    .sent = h1_sent,
    .wait = server_wait,
    .expire = server_expire,
    .lost = server_lost,
    .is_held = h1_is_held,
    .free = h1_free,
    .splice_in = h1_splice_in,
    .spliced_in = h1_spliced_in,
    .splice_out = h1_splice_out,
    .spliced_out = h1_spliced_out,
};

static const struct codec_ops server_codec = {
    .name = "h1",
    .attach = h1_attach,
    .set_limits = h1_set_limits,
    .is_idle = h1_is_idle,
    .count = h1_count,
    .set_count = h1_set_count,
    .owner = h1_owner,
    .drain = server_drain,
};

static const struct stream_ops server_stream = {
    .use = h1_use,
    .send = server_send,
    .send_interim = server_send_interim,
    .want_body = server_want_body,
    .tunnel = h1_start_tunnel,
    .reset = server_reset,
    .release = server_release,
};

void h1_server_init(struct h1_codec *h1)
{
    h1_init(h1, &server_protocol, &server_codec, &server_stream);
    h1->is_server = true;
}
