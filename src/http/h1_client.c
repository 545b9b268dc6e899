// SPDX-License-Identifier: MIT
/* The side that asks peers: writes requests, reads answers. */
#include "http/h1_parts.h"

/* ---- bytes in ---- */

/* 101 to what we offered, and to nothing else (RFC 9110 15.2.2). */
static bool is_asked_for(const struct stream *stream, const struct head *head)
{
    struct text offered = stream->tx_head->upgrade, protocol;

    while (field_list_next(&offered, &protocol))
        if (text_is_equal_nocase(protocol, fields_value(&head->fields, FIELD_UPGRADE)))
            return true;
    return false;
}

static struct head *parse_head(struct h1_codec *h1, struct text bytes, int *reterr_fault)
{
    struct stream *stream = &h1->stream;
    struct head   *head = ARENA_NEW(stream->arena, struct head);
    struct text    copy = arena_copy(stream->arena, bytes);
    int fault = h1_parse_response(copy, &h1->limits, stream->tx_head->method, stream->arena, head);

    if (fault == FAULT_NONE && head->status == 101 && !is_asked_for(stream, head))
        fault = FAULT_BAD_RESPONSE;
    *reterr_fault = fault;
    return fault == FAULT_NONE ? head : NULL;
}

/* 100 answers our own expectation and is dropped; the others wait for the owner one at a time.
 * False: there are too many. */
static bool take_interim(struct h1_codec *h1, struct head *head)
{
    h1->scan = (struct h1_scan){ 0 };
    if (++h1->interims > H1_INTERIM_MOST) {
        h1_fail(h1, FAULT_TOO_MANY_INTERIM);
        return false;
    }
    if (head->status == 100)
        return true;
    h1->stream.rx_interim = head;
    h1_pause(h1);
    h1_wake_owner(h1, WAKE_INTERIM);
    return true;
}

static void take_final(struct h1_codec *h1, struct head *head)
{
    struct stream *stream = &h1->stream;

    h1->scan = (struct h1_scan){ 0 };
    stream->rx_head = head;
    if (!head->may_persist)
        h1->must_close = true;
    if (head->status == 101) {
        h1->rx = RX_HOLD;
        h1_pause(h1);
    } else {
        h1_begin_body(h1, head);
    }
    h1_wake_owner(h1, WAKE_HEAD);
}

static ssize_t read_head(struct h1_codec *h1, struct slice bytes)
{
    struct text  text = slice_text(bytes);
    struct head *head = NULL;
    size_t       size = 0;
    int          fault = FAULT_NONE;

    h1->stream.has_reply_begun = true;
    switch (h1_find_end(h1, text, &size, &fault)) {
    case H1_SCAN_MORE:
        return 0;
    case H1_SCAN_DONE:
        head = parse_head(h1, text_part(text, 0, size), &fault);
        break;
    case H1_SCAN_BAD:
        fault = fault == FAULT_LINE_TOO_LONG || fault == FAULT_HEAD_TOO_LARGE ? FAULT_RESPONSE_LARGE
                                                                              : FAULT_BAD_RESPONSE;
        break;
    }
    if (head == NULL) {
        h1_fail(h1, fault);
        return -1;
    }
    h1->stream.rx_bytes += size;
    if (head->status < 200 && head->status != 101)
        return take_interim(h1, head) ? (ssize_t)size : -1;
    take_final(h1, head);
    return (ssize_t)size;
}

/* What comes before anything was asked answers nobody: another's answer, or a notice that the time is up. The
 * request can go elsewhere. */
static bool is_unasked(const struct h1_codec *h1)
{
    return h1->rx == RX_HEAD && h1->stream.tx_bytes == 0;
}

static ssize_t client_feed(struct protocol *protocol, struct slice bytes)
{
    struct h1_codec *h1 = h1_of(protocol);
    ssize_t          used = 0;

    if (!h1->is_open)
        return -1;   /* bytes that nobody asked for */
    if (is_unasked(h1)) {
        h1_fail(h1, h1->stream.is_reused ? FAULT_REUSED_CLOSED : FAULT_BAD_RESPONSE);
        return -1;
    }
    while ((size_t)used < bytes.len && !protocol->is_paused) {
        struct slice rest = slice_view(bytes, (uint32_t)used, bytes.len - (uint32_t)used);
        ssize_t      n;

        if (h1->rx == RX_DONE) {
            h1->must_close = true;   /* surplus: this connection can't be trusted any more */
            return (ssize_t)bytes.len;
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

/* No more than its reader has room for: the rest may wait with the peer. */
static uint32_t client_read_most(const struct protocol *protocol)
{
    const struct h1_codec *h1 = h1_of((struct protocol *)protocol);

    return h1->stream.rx_body == NULL ? 0 : pipe_read_most(h1->stream.rx_body);
}

static int fault_of_end(const struct h1_codec *h1, enum loss why)
{
    return stream_fault_of_loss(&h1->stream, h1->stream.rx_head != NULL, why);
}

static void client_finish(struct protocol *protocol)
{
    struct h1_codec *h1 = h1_of(protocol);

    h1->must_close = true;
    if (!h1->is_open)
        h1_close(h1);
    else if (h1->rx == RX_UNTIL_CLOSE)
        h1_end_body(h1);
    else if (h1->rx == RX_TUNNEL)
        h1_end_tunnel(h1);
    else if (h1->rx != RX_DONE)
        h1_fail(h1, fault_of_end(h1, LOSS_CLOSED));
}

/* ---- waiting ---- */

static enum conn_wait client_wait(const struct protocol *protocol)
{
    const struct h1_codec *h1 = h1_of((struct protocol *)protocol);

    if (!h1->is_open)
        return CONN_WAIT_IDLE;
    if (protocol->is_paused || h1->rx == RX_DONE || h1->rx == RX_TUNNEL || h1->rx == RX_HOLD)
        return CONN_WAIT_NONE;
    if (h1->rx == RX_HEAD && !h1->stream.is_tx_done)
        return CONN_WAIT_NONE;   /* blocked writes have their own deadline */
    return h1->rx == RX_HEAD ? CONN_WAIT_HEAD : CONN_WAIT_BODY;
}

static void client_expire(struct protocol *protocol, enum conn_wait wait)
{
    struct h1_codec *h1 = h1_of(protocol);

    if (wait == CONN_WAIT_IDLE)
        h1_close(h1);
    else
        h1_fail(h1, fault_of_end(h1, LOSS_TIMEOUT));
}

static void client_lost(struct protocol *protocol, enum loss why)
{
    struct h1_codec *h1 = h1_of(protocol);
    struct stream   *stream = &h1->stream;

    h1->is_lost = true;
    if (h1->is_open && (!stream->is_rx_done || !stream->is_tx_done))
        h1_fail(h1, fault_of_end(h1, why));
}

/* ---- the stream ---- */

static struct stream *client_open(struct codec *codec)
{
    struct h1_codec *h1 = container_of(codec, struct h1_codec, codec);
    struct stream   *stream = &h1->stream;

    h1_next_message(h1);
    h1->is_open = true;
    stream->number = ++h1->messages;
    stream->is_reused = stream->number > 1;
    stream->rx_budget = stream->tx_budget = BUDGET_NONE;
    return stream;
}

static unsigned client_room(const struct codec *codec)
{
    return h1_is_idle(codec) ? 1 : 0;
}

static enum h1_connection connection_of(const struct head *head)
{
    if (head->upgrade.len > 0)
        return H1_CONNECTION_UPGRADE;
    if (!head->may_persist)
        return H1_CONNECTION_CLOSE;
    return head->version < 11 ? H1_CONNECTION_KEEP_ALIVE : H1_CONNECTION_NONE;
}

static void client_send(struct stream *stream)
{
    struct h1_codec *h1 = h1_of_stream(stream);
    struct head     *head = stream->tx_head;
    struct writer    writer = writer_arena(stream->arena, 0);

    if (h1->is_lost)
        return;
    if (!head->may_persist || stream->is_last)
        h1->must_close = true;
    h1_write_request(&writer, head, connection_of(head));
    h1_begin_send(h1, writer_done(&writer), head->body, head->length);
}

static void client_reset(struct stream *stream, int fault)
{
    struct h1_codec *h1 = h1_of_stream(stream);

    h1->must_close = true;
    if (stream->fault == FAULT_NONE)
        stream->fault = fault;
    h1_drop_output(h1);
    h1_close(h1);
}

static void client_release(struct stream *stream)
{
    struct h1_codec *h1 = h1_of_stream(stream);
    bool             is_clean = stream->is_tx_done && stream->is_rx_done && !h1->must_close;

    h1_let_go(h1);
    if (h1->is_lost)
        return;
    if (is_clean)
        h1_next_message(h1);
    else
        h1_close(h1);
    h1_resume(h1);
}

static void client_drain(struct codec *codec)
{
    struct h1_codec *h1 = container_of(codec, struct h1_codec, codec);

    h1->is_draining = h1->must_close = true;
    if (!h1->is_open)
        h1_close(h1);
}

static const struct protocol_ops client_protocol = {
    .feed = client_feed,
    .finish = client_finish,
    .fill = h1_fill,
    .sent = h1_sent,
    .wait = client_wait,
    .expire = client_expire,
    .lost = client_lost,
    .is_held = h1_is_held,
    .free = h1_free,
    .read_most = client_read_most,
    .splice_in = h1_splice_in,
    .spliced_in = h1_spliced_in,
    .splice_out = h1_splice_out,
    .spliced_out = h1_spliced_out,
};

static const struct codec_ops client_codec = {
    .name = "h1",
    .attach = h1_attach,
    .set_limits = h1_set_limits,
    .is_idle = h1_is_idle,
    .count = h1_count,
    .set_count = h1_set_count,
    .owner = h1_owner,
    .open = client_open,
    .room = client_room,
    .drain = client_drain,
};

static const struct stream_ops client_stream = {
    .use = h1_use,
    .send = client_send,
    .tunnel = h1_start_tunnel,
    .reset = client_reset,
    .release = client_release,
};

void h1_client_init(struct h1_codec *h1)
{
    h1_init(h1, &client_protocol, &client_codec, &client_stream);
}
