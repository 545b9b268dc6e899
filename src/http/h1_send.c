// SPDX-License-Identifier: MIT
/* Heads and bodies onto the wire. Output is, in this order: text (heads), the frame of a chunk, body
 * bytes straight from the pipe, what ends the chunk. fill() shows it all for one gathered write;
 * sent() walks the same order. */
#include "base/must.h"
#include "http/h1_parts.h"
#include "net/lane.h"

static void chunk_begin(struct h1_codec *h1);
static void check_done(struct h1_codec *h1);

void h1_add_out(struct h1_codec *h1, struct text text)
{
    struct writer writer;

    if (h1->out.len == 0) {
        h1->out = text;
        return;
    }
    writer = writer_arena(h1->stream.arena, h1->out.len + text.len);
    writer_text(&writer, h1->out);
    writer_text(&writer, text);
    h1->out = writer_done(&writer);
}

void h1_begin_send(struct h1_codec *h1, struct text head, enum body_kind body, uint64_t length)
{
    static const enum h1_tx by_body[] = { [BODY_NONE] = TX_SIZED, [BODY_SIZED] = TX_SIZED,
                                          [BODY_CHUNKED] = TX_CHUNKED,
                                          [BODY_UNTIL_CLOSE] = TX_RAW };

    h1_add_out(h1, head);
    h1->tx = (uint8_t)by_body[body];
    h1->tx_left = body == BODY_SIZED ? length : 0;
    h1->has_sent_head = true;
    h1->after = TEXT_NONE;
    h1->is_last_chunk = false;
    h1->frame_at = h1->frame_len = 0;
    task_wake(&h1->conn->task, WAKE_DATA);
}

/* ---- showing ---- */

static int fill_text(struct iovec *iov, struct text text)
{
    if (text.len == 0)
        return 0;
    iov->iov_base = (void *)text.ptr;
    iov->iov_len = text.len;
    return 1;
}

/* Body bytes, at most `most_bytes`; *ret_shown of them. */
static int fill_body(struct h1_codec *h1, struct iovec *iov, int most, uint64_t most_bytes,
                     uint64_t *ret_shown)
{
    struct pipe *pipe = h1->stream.tx_body;
    uint64_t     shown = 0;
    int          n, i;

    *ret_shown = 0;
    if (pipe == NULL || pipe->fault != 0)
        return 0;
    n = pipe_peek(pipe, iov, most);
    for (i = 0; i < n && shown < most_bytes; i++) {
        if (iov[i].iov_len > most_bytes - shown)
            iov[i].iov_len = (size_t)(most_bytes - shown);
        shown += iov[i].iov_len;
    }
    *ret_shown = shown;
    return i;
}

static int fill_chunk(struct h1_codec *h1, struct iovec *iov, int most)
{
    struct text frame;
    uint64_t    shown;
    int         n;

    if (h1->frame_at == h1->frame_len && h1->tx_left == 0 && h1->after.len == 0)
        chunk_begin(h1);
    frame = text_of(h1->frame + h1->frame_at, (size_t)(h1->frame_len - h1->frame_at));
    n = fill_text(iov, frame);
    n += fill_body(h1, iov + n, most - n - 1, h1->tx_left, &shown);
    if (shown == h1->tx_left)
        n += fill_text(iov + n, h1->after);
    return n;
}

int h1_fill(struct protocol *protocol, struct iovec *ret_iov, int most)
{
    struct h1_codec *h1 = h1_of(protocol);
    uint64_t         budget = h1->stream.tx_budget, shown;
    int              n = fill_text(ret_iov, h1->out);

    switch ((enum h1_tx)h1->tx) {
    case TX_NOTHING:
        break;
    case TX_SIZED:
        n += fill_body(h1, ret_iov + n, most - n, h1->tx_left < budget ? h1->tx_left : budget,
                       &shown);
        break;
    case TX_RAW:
        n += fill_body(h1, ret_iov + n, most - n, budget, &shown);
        break;
    case TX_CHUNKED:
        n += fill_chunk(h1, ret_iov + n, most - n);
        break;
    }
    if (n == 0)
        check_done(h1);
    return n;
}

/* All that is in the pipe becomes one chunk; the last chunk goes with it when the body is over. */
static void chunk_begin(struct h1_codec *h1)
{
    struct stream *stream = &h1->stream;
    struct pipe   *pipe = stream->tx_body;
    uint64_t       size;
    struct writer  writer;

    if (pipe == NULL || pipe->fault != 0 || h1->is_last_chunk)
        return;
    size = pipe->fill < stream->tx_budget ? pipe->fill : stream->tx_budget;
    if (size == 0 && (!pipe_is_finished(pipe) || stream->is_tail_held))
        return;
    h1->tx_left = size;
    h1->frame_at = 0;
    h1->frame_len = size > 0 ? (uint8_t)h1_write_chunk_size(h1->frame, size) : 0;
    h1->is_last_chunk =
        pipe->is_ended && !stream->is_tail_held && size == pipe->fill && lane_fill(pipe->lane) == 0;
    if (!h1->is_last_chunk) {
        h1->after = TEXT("\r\n");
        return;
    }
    if (stream->tx_trailers == NULL) {
        h1->after = size > 0 ? TEXT("\r\n0\r\n\r\n") : TEXT("0\r\n\r\n");
        return;
    }
    writer = writer_arena(stream->arena, 256);
    writer_string(&writer, size > 0 ? "\r\n" : "");
    h1_write_last_chunk(&writer, stream->tx_trailers);
    h1->after = writer_done(&writer);
}

/* ---- counting ---- */

static size_t take_text(struct text *text, size_t len)
{
    size_t n = len < text->len ? len : text->len;

    *text = text_from_offset(*text, n);
    return len - n;
}

static size_t take_body(struct h1_codec *h1, size_t len)
{
    struct pipe *pipe = h1->stream.tx_body;
    size_t       n = len;

    if (h1->tx != TX_RAW && n > h1->tx_left)
        n = (size_t)h1->tx_left;
    if (n == 0)
        return len;
    pipe_drop(pipe, n);
    if (h1->tx != TX_RAW)
        h1->tx_left -= n;
    if (h1->stream.tx_budget != BUDGET_NONE)
        h1->stream.tx_budget -= n;
    return len - n;
}

void h1_sent(struct protocol *protocol, size_t len)
{
    struct h1_codec *h1 = h1_of(protocol);

    h1->stream.tx_bytes += len;
    len = take_text(&h1->out, len);
    if (h1->tx == TX_CHUNKED) {
        size_t frame = (size_t)(h1->frame_len - h1->frame_at);
        size_t n = len < frame ? len : frame;

        h1->frame_at = (uint8_t)(h1->frame_at + n);
        len -= n;
    }
    if (len > 0 && h1->tx != TX_NOTHING)
        len = take_body(h1, len);
    if (len > 0)
        len = take_text(&h1->after, len);
    must(len == 0);
    check_done(h1);
}

static bool is_all_sent(const struct h1_codec *h1)
{
    const struct pipe *pipe = h1->stream.tx_body;

    switch ((enum h1_tx)h1->tx) {
    case TX_NOTHING:
        return false;
    case TX_SIZED:
        return h1->tx_left == 0;
    case TX_CHUNKED:
        return h1->is_last_chunk && h1->tx_left == 0 && h1->after.len == 0 &&
               h1->frame_at == h1->frame_len;
    case TX_RAW:
        return pipe == NULL || (pipe_is_finished(pipe) && pipe->fault == 0);
    }
    return false;
}

static void check_done(struct h1_codec *h1)
{
    struct stream *stream = &h1->stream;

    if (!h1->is_open || stream->is_tx_done || h1->out.len > 0)
        return;
    /* A body shorter than announced: the other side would wait for the rest for ever. */
    if (h1->tx == TX_SIZED && h1->tx_left > 0 && stream->tx_body != NULL &&
        stream->fault == FAULT_NONE && pipe_is_finished(stream->tx_body))
        h1_fail(h1, FAULT_INTERNAL);
    if (!is_all_sent(h1))
        return;
    stream->is_tx_done = true;
    if (h1->rx == RX_TUNNEL)
        h1->conn->transport.ops->shutdown(&h1->conn->transport);
    h1_wake_owner(h1, WAKE_END);
}

/* ---- splicing ---- */

uint64_t h1_splice_out(struct protocol *protocol, struct pipe **ret_pipe)
{
    struct h1_codec *h1 = h1_of(protocol);
    struct pipe     *pipe = h1->stream.tx_body;
    uint64_t         budget = h1->stream.tx_budget, fill = pipe == NULL ? 0 : lane_fill(pipe->lane);

    if (h1->out.len > 0 || (h1->tx != TX_SIZED && h1->tx != TX_RAW) || pipe == NULL ||
        pipe->fault != 0 || pipe->fill > 0)
        return 0;
    *ret_pipe = pipe;
    return fill < budget ? fill : budget;
}

void h1_spliced_out(struct protocol *protocol, uint64_t len)
{
    struct h1_codec *h1 = h1_of(protocol);

    h1->stream.tx_bytes += len;
    if (h1->tx == TX_SIZED)
        h1->tx_left -= len;
    if (h1->stream.tx_budget != BUDGET_NONE)
        h1->stream.tx_budget -= len;
    pipe_lane_gave(h1->stream.tx_body, len);
    check_done(h1);
}
