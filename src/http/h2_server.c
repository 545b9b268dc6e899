// SPDX-License-Identifier: MIT
/* The side that takes requests: heads to the host, answers onto the wire. */
#include "base/random.h"
#include "http/h2_parts.h"
#include "http/status.h"

static const struct stream_ops server_stream;

/* ---- requests ---- */

/* A stream that was reset keeps its place until its owner has let go of it: who opens and resets
 * without end gets no more work done at a time than who does not. Above the last one that GOAWAY will name
 * nothing is begun, nor held against who cannot have read that yet. */
struct h2_stream *h2_server_block_begin(struct h2_codec *h2, int32_t id)
{
    struct h2_stream *s;

    if (id > h2->most_id || h2->held >= h2->settings.max_streams) {
        if (id <= h2->most_id && !glitches_reset(&h2->glitches, h2_now_ms(h2)))
            h2_doom(h2, NGHTTP2_ENHANCE_YOUR_CALM);
        h2_check(h2, nghttp2_submit_rst_stream(h2->engine, NGHTTP2_FLAG_NONE, id,
                                               NGHTTP2_REFUSED_STREAM));
        return NULL;
    }
    s = h2_stream_new(h2, &server_stream);
    s->id = id;
    s->is_live = true;
    s->stream.arena = arena_new();
    s->stream.started_us = loop_now_us(h2->conn->loop);
    h2_check(h2, nghttp2_session_set_stream_user_data(h2->engine, id, s));
    return s;
}

/* RFC 9218: what the request says of itself, and what the answer makes of that. PRIORITY_UPDATE frames
 * and the order in which streams are served are the engine's. */
static void prioritise(struct h2_stream *s, struct priority former, const struct fields *fields)
{
    struct priority priority = priority_merge(former, fields, s->stream.arena);
    nghttp2_extpri  extpri = { .urgency = priority.urgency, .inc = priority.is_incremental };

    s->priority = priority;
    if (priority.urgency != former.urgency || priority.is_incremental != former.is_incremental)
        h2_check(s->h2,
                 nghttp2_session_change_extpri_stream_priority(s->h2->engine, s->id, &extpri, 0));
}

static void accept_request(struct h2_codec *h2, struct h2_stream *s, bool is_end)
{
    struct stream *stream = &s->stream;
    struct head   *head = stream->rx_head;

    h2_stream_hold(s);
    glitches_request(&h2->glitches);
    prioritise(s, priority_default(), &head->fields);
    h2->codec.host->accept(h2->codec.host, stream);
    h2_receive_begin(s, head);
    if (stream->fault != FAULT_NONE || (head->upgrade.len > 0 && !is_end)) {
        /* Refused: what comes is not wanted. An upgrade: what comes belongs to the tunnel. */
        s->is_dropping = stream->fault != FAULT_NONE;
        s->rx = s->is_dropping ? H2_RX_BODY : H2_RX_HELD;
        s->is_rx_sized = false;
        s->has_rx_end = is_end;
        stream->is_rx_done = true;
        if (stream->rx_body != NULL)
            pipe_end(stream->rx_body);
    } else if (is_end) {
        h2_receive_end(s);
    }
}

/* It is answered, but who does not learn from that has us decode much for nothing. */
static bool is_oversized(int fault)
{
    return fault == FAULT_HEAD_TOO_LARGE || fault == FAULT_LINE_TOO_LONG;
}

void h2_server_head(struct h2_codec *h2, struct h2_stream *s, bool is_end)
{
    struct stream *stream = &s->stream;
    uint8_t        key[H2_KEY_BYTES];
    uint64_t       words[2] = { random_u64(), random_u64() };
    int            fault;

    for (unsigned i = 0; i < H2_KEY_BYTES; i++)
        key[i] = (uint8_t)(words[i / 8] >> (i % 8 * 8));
    fault = h2_head_end_request(&h2->block, is_end, key);
    if (fault == H2_MALFORMED) {
        h2_stream_refuse(s, FAULT_BAD_HTTP2);
        h2_stream_discard(s);
        return;
    }
    stream->rx_head = h2->block.head;
    stream->fault = fault;
    if (is_oversized(fault) && !glitches_reset(&h2->glitches, h2_now_ms(h2)))
        h2_doom(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    accept_request(h2, s, is_end);
}

/* ---- faults ---- */

int h2_server_fault_of_close(const struct h2_stream *s, uint32_t code)
{
    (void)code;
    if (s->has_tx_end)
        return FAULT_NONE;
    return s->is_reset_by_peer ? FAULT_CLIENT_CANCEL : FAULT_BAD_HTTP2;
}

int h2_server_fault_of_loss(const struct h2_stream *s, int why)
{
    static const int faults[] = { [LOSS_CLOSED] = FAULT_CLIENT_GONE,
                                  [LOSS_RESET] = FAULT_CLIENT_RESET,
                                  [LOSS_TIMEOUT] = FAULT_CLIENT_STALLED,
                                  [LOSS_SHUTDOWN] = FAULT_SHUTDOWN,
                                  [LOSS_MEMORY] = FAULT_NO_BUFFERS };

    (void)s;
    return faults[why];
}

int h2_server_fault_of_delay(const struct h2_stream *s, enum conn_wait wait)
{
    (void)s;
    if (wait == CONN_WAIT_BODY)
        return FAULT_CLIENT_SLOW_BODY;
    return wait == CONN_WAIT_PACE ? FAULT_CLIENT_SLOW_PACE : FAULT_CLIENT_STALLED;
}

/* ---- the stream ---- */

static bool may_send(const struct h2_stream *s)
{
    return s->is_live && !s->is_reset && !s->has_sent_head && !s->h2->is_lost;
}

/* To an extended CONNECT any 2xx says that the tunnel is open (RFC 8441 5). An upstream that did not
 * switch has not opened one. */
static void refuse_tunnel(const struct head *request, struct head *head)
{
    if (request->upgrade.len > 0 && head->status / 100 == 2)
        head->status = (unsigned)fault_row(FAULT_BAD_RESPONSE)->status;
}

/* One that does not end the stream. */
static void submit_head(struct h2_stream *s, const struct h2_list *list)
{
    h2_check(s->h2, nghttp2_submit_headers(s->h2->engine, NGHTTP2_FLAG_NONE, s->id, NULL,
                                           list->items, list->count, NULL));
}

static void server_send(struct stream *stream)
{
    struct h2_stream     *s = h2_of_stream(stream);
    struct head          *head = stream->tx_head;
    bool                  is_head = stream->rx_head->method == METHOD_HEAD;
    bool                  keeps_length = head->has_length && (is_head || head->status == 304);
    nghttp2_data_provider provider;
    struct h2_list        list;
    enum h2_send          body;

    if (stream->is_last)
        s->h2->codec.ops->drain(&s->h2->codec);
    if (!may_send(s))
        return;
    refuse_tunnel(stream->rx_head, head);
    s->is_upgrade = head->status == 101;
    if (is_head || !status_has_content(head->status))
        head->body = BODY_NONE;
    h2_write_response(head, keeps_length, stream->arena, &list);
    s->has_sent_head = true;
    prioritise(s, s->priority, &head->fields);
    body = h2_send_begin(s, &provider);
    if (body == H2_SEND_LATER)
        submit_head(s, &list);
    else
        h2_check(s->h2, nghttp2_submit_response(s->h2->engine, s->id, list.items, list.count,
                                                body == H2_SEND_NOW ? &provider : NULL));
    h2_send_more(s);
}

static void server_send_interim(struct stream *stream, const struct head *head)
{
    struct h2_stream *s = h2_of_stream(stream);
    struct h2_list    list;

    if (!may_send(s))
        return;
    h2_write_response(head, false, stream->arena, &list);
    submit_head(s, &list);
    h2_wake_conn(s->h2, WAKE_DATA);
}

static void server_want_body(struct stream *stream)
{
    struct h2_stream *s = h2_of_stream(stream);
    struct head      *head;

    if (!may_send(s) || s->has_sent_continue || stream->is_rx_done ||
        !stream->rx_head->expects_continue)
        return;
    s->has_sent_continue = true;
    if (stream->rx_body->total_in > 0 || s->has_rx_end)
        return;   /* it comes already (RFC 9110 10.1.1) */
    head = ARENA_NEW(stream->arena, struct head);
    head_init(head, stream->arena, 0);
    head->status = 100;
    server_send_interim(stream, head);
}

static void server_reset(struct stream *stream, int fault)
{
    struct h2_stream *s = h2_of_stream(stream);

    if (stream->fault == FAULT_NONE)
        stream->fault = fault;
    h2_receive_drop(s);
    h2_stream_reset(s, fault_row(fault)->blame == BLAME_CLIENT ? NGHTTP2_CANCEL
                                                               : NGHTTP2_INTERNAL_ERROR);
}

static void server_release(struct stream *stream)
{
    struct h2_stream *s = h2_of_stream(stream);

    h2_stream_release(s, s->has_sent_head ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL);
}

static const struct stream_ops server_stream = {
    .use = h2_stream_use,
    .send = server_send,
    .send_interim = server_send_interim,
    .want_body = server_want_body,
    .tunnel = h2_stream_tunnel,
    .reset = server_reset,
    .release = server_release,
};
