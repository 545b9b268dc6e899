// SPDX-License-Identifier: MIT
/* Where heads end, and bodies from the wire into the stream's pipe, never more than it has room for. */
#include <string.h>

#include "base/must.h"
#include "http/h1_parts.h"

enum { SPLICE_FROM_BYTES = 64 * 1024 };   /* below that, copying is cheaper than two splices */

enum h1_scan_result h1_find_end(struct h1_codec *h1, struct text bytes, size_t *ret_size,
                                int *reterr_fault)
{
    if (h1->scan.offset == 0 && (*ret_size = h1_head_size(bytes.ptr, bytes.len, &h1->limits)) > 0)
        return H1_SCAN_DONE;
    return h1_scan(&h1->scan, bytes.ptr, bytes.len, &h1->limits, ret_size, reterr_fault);
}

void h1_begin_body(struct h1_codec *h1, const struct head *head)
{
    h1->chunk = (struct h1_chunk){ 0 };
    h1->rx_left = head->length;
    switch (head->body) {
    case BODY_NONE:
        h1_end_body(h1);
        break;
    case BODY_SIZED:
        h1->rx = RX_SIZED;
        if (head->length == 0)
            h1_end_body(h1);
        break;
    case BODY_CHUNKED:
        h1->rx = RX_CHUNKED;
        break;
    case BODY_UNTIL_CLOSE:
        h1->rx = RX_UNTIL_CLOSE;
        h1->must_close = true;
        break;
    }
}

void h1_end_body(struct h1_codec *h1)
{
    struct stream *stream = &h1->stream;

    h1->rx = RX_DONE;
    stream->is_rx_done = true;
    if (stream->rx_body != NULL)
        pipe_end(stream->rx_body);
    h1_wake_owner(h1, WAKE_END);
}

/* What we send goes on. */
void h1_end_tunnel(struct h1_codec *h1)
{
    h1_end_body(h1);
    h1->rx = RX_TUNNEL;
}

static void put(struct h1_codec *h1, struct slice bytes, size_t from, size_t len)
{
    struct stream *stream = &h1->stream;

    if (stream->rx_most > 0 && stream->rx_body->total_in + len > stream->rx_most) {
        h1_fail(h1, FAULT_BODY_TOO_LARGE);
        return;
    }
    if (stream->rx_budget != BUDGET_NONE)
        stream->rx_budget -= len;
    pipe_put(stream->rx_body, slice_part(bytes, (uint32_t)from, (uint32_t)len));
}

/* How much of `len` fits now; 0 also pauses. */
static size_t fits(struct h1_codec *h1, size_t len)
{
    struct stream *stream = &h1->stream;
    size_t         room;

    if (stream->fault != FAULT_NONE || stream->rx_body == NULL || stream->rx_body->fault != 0) {
        h1_pause(h1);
        return 0;
    }
    room = pipe_room(stream->rx_body);
    if (room > stream->rx_budget)
        room = (size_t)stream->rx_budget;
    if (room == 0)
        h1_pause(h1);
    return room < len ? room : len;
}

static size_t receive_sized(struct h1_codec *h1, struct slice bytes)
{
    size_t len = bytes.len < h1->rx_left ? bytes.len : (size_t)h1->rx_left;

    len = fits(h1, len);
    if (len == 0)
        return 0;
    put(h1, bytes, 0, len);
    h1->rx_left -= len;
    if (h1->rx_left == 0 && h1->stream.fault == FAULT_NONE)
        h1_end_body(h1);
    return len;
}

/* One step through the chunked coding: framing, then content as far as it fits. */
static ssize_t receive_chunked(struct h1_codec *h1, struct slice bytes)
{
    enum h1_chunk_result result;
    size_t               content = 0;
    size_t used = h1_chunk_read(&h1->chunk, (const char *)slice_ptr(bytes), bytes.len, &result,
                                &content);

    switch (result) {
    case H1_CHUNK_MORE:
        return (ssize_t)used;
    case H1_CHUNK_CONTENT:
        content = fits(h1, content);
        if (content > 0) {
            put(h1, bytes, used, content);
            h1_chunk_took(&h1->chunk, content);
        }
        return (ssize_t)(used + content);
    case H1_CHUNK_LAST:
        h1->rx = RX_TRAILERS;
        h1->scan = (struct h1_scan){ 0 };
        return (ssize_t)used;
    case H1_CHUNK_BAD:
        break;
    }
    h1_fail(h1, h1->is_server ? FAULT_BAD_CHUNK : FAULT_BAD_PEER_CHUNK);
    h1_pause(h1);
    return (ssize_t)used;
}

static int trailers_fault(const struct h1_codec *h1, int fault)
{
    if (!h1->is_server)
        return FAULT_BAD_PEER_CHUNK;
    return fault == FAULT_HEAD_TOO_LARGE ? fault : FAULT_BAD_CHUNK;
}

static ssize_t receive_trailers(struct h1_codec *h1, struct slice bytes)
{
    struct stream *stream = &h1->stream;
    struct text    text = slice_text(bytes);
    size_t         size = 0;
    int            fault = FAULT_NONE;

    switch (h1_scan_trailers(&h1->scan, text.ptr, text.len, &h1->limits, &size, &fault)) {
    case H1_SCAN_MORE:
        return 0;
    case H1_SCAN_DONE:
        if (size > 2) {
            struct fields *trailers = ARENA_NEW(stream->arena, struct fields);
            struct text    copy = arena_copy(stream->arena, text_part(text, 0, size));

            fields_init(trailers, stream->arena, 8);
            fault = h1_parse_trailers(copy, &h1->limits, stream->arena, trailers);
            stream->rx_trailers = trailers;
        }
        break;
    case H1_SCAN_BAD:
        break;
    }
    if (fault != FAULT_NONE) {
        h1_fail(h1, trailers_fault(h1, fault));
        h1_pause(h1);
        return 0;
    }
    h1->scan = (struct h1_scan){ 0 };
    h1_end_body(h1);
    return (ssize_t)size;
}

static ssize_t receive_raw(struct h1_codec *h1, struct slice bytes)
{
    size_t len = fits(h1, bytes.len);

    if (len > 0)
        put(h1, bytes, 0, len);
    return (ssize_t)len;
}

/* Swallows a body that nobody wants, up to H1_DRAIN_BYTES; then the conn is closed. */
static ssize_t drain(struct h1_codec *h1, struct slice bytes)
{
    enum h1_chunk_result result = H1_CHUNK_MORE;
    size_t               used, content = 0;

    if (h1->rx == RX_DRAIN_SIZED) {
        used = bytes.len < h1->rx_left ? bytes.len : (size_t)h1->rx_left;
        h1->rx_left -= used;
    } else {
        used =
            h1_chunk_read(&h1->chunk, (const char *)slice_ptr(bytes), bytes.len, &result, &content);
        if (result == H1_CHUNK_CONTENT) {
            h1_chunk_took(&h1->chunk, content);
            used += content;
        }
    }
    h1->drained += (uint32_t)used;
    if (result == H1_CHUNK_BAD || h1->drained > H1_DRAIN_BYTES)
        return -1;
    if (result == H1_CHUNK_LAST)
        return -1;   /* trailers of a body that nobody reads: not worth a state */
    if (h1->rx == RX_DRAIN_SIZED && h1->rx_left == 0)
        h1_next_message(h1);
    return (ssize_t)used;
}

static ssize_t receive_once(struct h1_codec *h1, struct slice bytes)
{
    switch ((enum h1_rx)h1->rx) {
    case RX_SIZED:
        return (ssize_t)receive_sized(h1, bytes);
    case RX_CHUNKED:
        return receive_chunked(h1, bytes);
    case RX_TRAILERS:
        return receive_trailers(h1, bytes);
    case RX_UNTIL_CLOSE:
    case RX_TUNNEL:
        return receive_raw(h1, bytes);
    case RX_DRAIN_SIZED:
    case RX_DRAIN_CHUNKED:
        return drain(h1, bytes);
    case RX_HEAD:
    case RX_DONE:
    case RX_HOLD:
        break;
    }
    return 0;
}

ssize_t h1_receive(struct h1_codec *h1, struct slice bytes)
{
    size_t used = 0;

    while (used < bytes.len && !h1->codec.protocol.is_paused) {
        struct slice rest = slice_view(bytes, (uint32_t)used, bytes.len - (uint32_t)used);
        uint8_t      rx = h1->rx;
        ssize_t      n = receive_once(h1, rest);

        if (n < 0)
            return -1;
        used += (size_t)n;
        if (n == 0 && rx == h1->rx)
            break;
        if (h1->rx == RX_HEAD || h1->rx == RX_DONE)
            break;
    }
    if (h1->is_open)
        h1->stream.rx_bytes += used;
    /* Else one more read would wait beside the pipe. */
    if (h1->rx != RX_HEAD && h1->rx != RX_DONE && h1->stream.rx_body != NULL &&
        pipe_is_crowded(h1->stream.rx_body))
        h1_pause(h1);
    return (ssize_t)used;
}

uint64_t h1_splice_in(struct protocol *protocol, struct pipe **ret_pipe)
{
    struct h1_codec *h1 = h1_of(protocol);
    struct pipe     *pipe = h1->stream.rx_body;
    bool             is_body = h1->rx == RX_SIZED && h1->rx_left > 0;

    if (!is_body || pipe == NULL || !pipe->may_splice || pipe->fault != 0 ||
        (pipe->lane == NULL && h1->rx_left < SPLICE_FROM_BYTES))
        return 0;
    *ret_pipe = pipe;
    return h1->rx_left;
}

void h1_spliced_in(struct protocol *protocol, uint64_t len)
{
    struct h1_codec *h1 = h1_of(protocol);

    h1->rx_left -= len;
    h1->stream.rx_bytes += len;
    pipe_lane_took(h1->stream.rx_body, len);
    if (h1->rx_left == 0)
        h1_end_body(h1);
}
