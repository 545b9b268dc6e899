// SPDX-License-Identifier: MIT
/* The side that asks peers: requests onto the wire, answers to their owners. */
#include "http/h2_parts.h"

static const struct stream_ops client_stream;

/* ---- answers ---- */

/* 100 answers our own expectation and is dropped; the others wait for the owner one at a time, and
 * what comes behind them waits too. */
static void take_head(struct h2_stream *s, struct head *head)
{
    struct h2_waiting **last = &s->waiting;

    if (head->status == 100)
        return;
    while (*last != NULL)
        last = &(*last)->next;
    *last = ARENA_NEW(s->stream.arena, struct h2_waiting);
    (*last)->head = head;
    h2_client_show(s);
}

void h2_client_show(struct h2_stream *s)
{
    struct stream *stream = &s->stream;

    if (s->waiting == NULL || stream->rx_interim != NULL)
        return;
    if (s->waiting->head->status < 200 && s->waiting->head->status != 101) {
        stream->rx_interim = s->waiting->head;
        h2_stream_wake_owner(s, WAKE_INTERIM);
    } else {
        stream->rx_head = s->waiting->head;
        h2_stream_wake_owner(s, WAKE_HEAD);
    }
    s->waiting = s->waiting->next;
}

void h2_client_head(struct h2_codec *h2, struct h2_stream *s, bool is_end)
{
    struct head *head;
    int          fault = h2_head_end_response(&h2->block, is_end, s->stream.tx_head, s->is_upgrade);

    s->stream.has_reply_begun = true;
    head = h2->block.head;
    if (fault == FAULT_NONE && head->status < 200 && head->status != 101 &&
        ++s->interims > H2_INTERIM_MOST)
        fault = FAULT_TOO_MANY_INTERIM;
    if (fault != FAULT_NONE) {
        h2_stream_refuse(s, fault);
        return;
    }
    if (head->status == 101) {
        s->rx = H2_RX_HELD;
        s->has_rx_end = is_end;
    } else if (head->status >= 200) {
        h2_receive_begin(s, head);
        if (is_end)
            h2_receive_end(s);
    }
    take_head(s, head);
}

/* ---- faults ---- */

int h2_client_fault_of_close(const struct h2_stream *s, uint32_t code)
{
    if (s->has_rx_end)
        return FAULT_NONE;
    if (s->rx != H2_RX_HEAD)
        return FAULT_BODY_CUT;
    if (code == NGHTTP2_REFUSED_STREAM)
        return FAULT_PEER_REFUSED;
    return s->is_reset_by_peer ? FAULT_PEER_RESET : FAULT_BAD_RESPONSE;
}

int h2_client_fault_of_loss(const struct h2_stream *s, int why)
{
    return stream_fault_of_loss(&s->stream, s->rx != H2_RX_HEAD, (enum loss)why);
}

int h2_client_fault_of_delay(const struct h2_stream *s, enum conn_wait wait)
{
    (void)s;
    if (wait == CONN_WAIT_BODY)
        return FAULT_BODY_TIMEOUT;
    return wait == CONN_WAIT_HEAD ? FAULT_HEAD_TIMEOUT : FAULT_SEND_TIMEOUT;
}

/* ---- the stream ---- */

struct stream *h2_client_open(struct codec *codec)
{
    struct h2_codec  *h2 = h2_of_codec(codec);
    struct h2_stream *s = h2_stream_new(h2, &client_stream);

    h2_stream_hold(s);
    s->stream.is_reused = h2->messages > 1;
    return &s->stream;
}

unsigned h2_client_room(const struct codec *codec)
{
    const struct h2_codec *h2 = h2_of_codec(codec);
    uint32_t               most;

    if (h2->is_lost || h2->is_doomed || h2->is_mute || h2->drain != H2_DRAIN_NONE ||
        codec->protocol.is_closing || codec->protocol.must_reset ||
        !nghttp2_session_check_request_allowed(h2->engine))
        return 0;
    most = nghttp2_session_get_remote_settings(h2->engine, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (most > h2->settings.max_streams)
        most = h2->settings.max_streams;
    if (!h2->has_settings)
        most = 1;                        /* until it has said how many */
    return most > h2->held ? most - h2->held : 0;
}

static void client_send(struct stream *stream)
{
    struct h2_stream     *s = h2_of_stream(stream);
    struct h2_codec      *h2 = s->h2;
    struct text           scheme = h2->conn->transport.ops->is_plain ? TEXT("http") : TEXT("https");
    bool                  may_extend;
    enum h2_send          body;
    nghttp2_data_provider provider;
    struct h2_list        list;
    int32_t               id;

    if (h2->is_lost)
        return;
    if (stream->is_last || !stream->tx_head->may_persist)
        h2->drain = H2_DRAIN_LAST;
    may_extend = nghttp2_session_get_remote_settings(h2->engine,
                                                     NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
    if (h2_write_request(stream->tx_head, scheme, may_extend, stream->arena, &list) != 0) {
        h2_stream_fail(s, FAULT_INTERNAL);   /* nothing that may be sent */
        return;
    }
    s->is_upgrade = list.is_extended;
    s->has_sent_head = true;
    body = h2_send_begin(s, &provider);
    id = nghttp2_submit_request(h2->engine, NULL, list.items, list.count,
                                body == H2_SEND_NOW ? &provider : NULL, s);
    if (id < 0) {
        h2_check(h2, id);
        h2_stream_fail(s, FAULT_PEER_REFUSED);   /* its numbers are used up */
        return;
    }
    s->id = id;
    s->is_live = true;
    h2_pulse_use(h2);
    h2_wake_conn(h2, WAKE_DATA);
}

static void client_reset(struct stream *stream, int fault)
{
    struct h2_stream *s = h2_of_stream(stream);

    if (stream->fault == FAULT_NONE)
        stream->fault = fault;
    h2_receive_drop(s);
    h2_stream_reset(s, NGHTTP2_CANCEL);
}

static void client_release(struct stream *stream)
{
    h2_stream_release(h2_of_stream(stream), NGHTTP2_CANCEL);
}

static const struct stream_ops client_stream = {
    .use = h2_stream_use,
    .send = client_send,
    .tunnel = h2_stream_tunnel,
    .reset = client_reset,
    .release = client_release,
};
