// SPDX-License-Identifier: MIT
/* Bodies from frames into pipes. What a pipe has no room for is copied aside, which the stream's window
 * bounds; the window is given back when bytes have found room, so that who reads slowly is sent
 * slowly, and nobody else is. */
#include <string.h>

#include "base/mem.h"
#include "http/h2_parts.h"

enum { SPILL_LEAST = 2 * 1024, SPILL_MOST = 16 * 1024 };   /* bytes of one block */

static void give_back(struct h2_stream *s, uint32_t len)
{
    h2_window_taken(s, len);
    if (!s->is_live || s->has_rx_end || s->is_reset || s->h2->is_lost)
        return;
    h2_check(s->h2, nghttp2_session_consume_stream(s->h2->engine, s->id, len));
    if (nghttp2_session_want_write(s->h2->engine))
        h2_wake_conn(s->h2, WAKE_DATA);
}

/* ---- aside ---- */

static struct slice *spill_grow(struct h2_stream *s, uint32_t len)
{
    uint32_t      size = s->spill_bytes + len;
    struct block *block;

    size = size < SPILL_LEAST ? SPILL_LEAST : size > SPILL_MOST ? SPILL_MOST : size;
    block = block_try_sized(size);
    if (block == NULL)
        return NULL;
    if (s->spill_count == s->spill_capacity) {
        s->spill_capacity = (uint16_t)(s->spill_capacity * 2 + 4);
        s->spill = mem_resize(s->spill, s->spill_capacity * sizeof(*s->spill));
    }
    s->spill[s->spill_count] = (struct slice){ .block = block, .start = 0, .len = 0 };
    return &s->spill[s->spill_count++];
}

/* False: there is no memory. */
static bool spill_add(struct h2_stream *s, struct slice bytes)
{
    while (bytes.len > 0) {
        struct slice *last = s->spill_count > 0 ? &s->spill[s->spill_count - 1] : NULL;
        uint32_t      len;

        if (last == NULL || last->start + last->len == last->block->size)
            last = spill_grow(s, bytes.len);
        if (last == NULL)
            return false;
        len = last->block->size - last->start - last->len;
        len = len < bytes.len ? len : bytes.len;
        memcpy(last->block->bytes + last->start + last->len, slice_ptr(bytes), len);
        last->len += len;
        s->spill_bytes += len;
        bytes.start += len;
        bytes.len -= len;
    }
    return true;
}

/* Takes off the front what has found room. */
static void spill_drop(struct h2_stream *s, uint32_t len)
{
    struct slice *first = &s->spill[0];

    s->spill_bytes -= len;
    first->start += len;
    first->len -= len;
    if (first->len > 0)
        return;
    slice_unref(*first);
    s->spill_count--;
    memmove(s->spill, s->spill + 1, s->spill_count * sizeof(*s->spill));
}

void h2_receive_drop(struct h2_stream *s)
{
    s->is_dropping = true;
    for (unsigned i = 0; i < s->spill_count; i++)
        slice_unref(s->spill[i]);
    s->spill_count = s->spill_capacity = 0;
    s->spill_bytes = 0;
    MEM_FREE(&s->spill);
}

/* ---- into the pipe ---- */

static void receive_done(struct h2_stream *s)
{
    s->stream.is_rx_done = true;
    if (s->stream.rx_body != NULL)
        pipe_end(s->stream.rx_body);
    h2_stream_wake_owner(s, WAKE_END);
}

static uint32_t room_of(struct h2_stream *s)
{
    size_t room = pipe_room(s->stream.rx_body);

    if (room > s->stream.rx_budget)
        room = (size_t)s->stream.rx_budget;
    return room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
}

/* As much as fits; how much that was. */
static uint32_t put(struct h2_stream *s, struct slice bytes)
{
    struct stream *stream = &s->stream;
    uint32_t       room = room_of(s), len = bytes.len < room ? bytes.len : room;

    if (len == 0)
        return 0;
    if (stream->rx_most > 0 && stream->rx_body->total_in + len > stream->rx_most) {
        h2_stream_fail(s, FAULT_BODY_TOO_LARGE);
        return 0;
    }
    if (stream->rx_budget != BUDGET_NONE)
        stream->rx_budget -= len;
    pipe_put(stream->rx_body, slice_part(bytes, 0, len));
    give_back(s, len);
    return len;
}

static bool is_unwanted(const struct h2_stream *s)
{
    return s->is_dropping || s->stream.fault != FAULT_NONE || s->stream.rx_body == NULL ||
           s->stream.rx_body->fault != 0;
}

void h2_receive(struct h2_stream *s, struct slice bytes)
{
    uint32_t came = bytes.len;

    s->stream.rx_bytes += bytes.len;
    h2_clock_note_read(s, bytes.len);
    if (s->rx == H2_RX_HEAD || (s->is_rx_sized && bytes.len > s->rx_left)) {
        h2_stream_refuse(s, !s->h2->is_server    ? FAULT_BAD_PEER_BODY
                            : s->rx == H2_RX_HEAD ? FAULT_BAD_HTTP2
                                                  : FAULT_BAD_BODY);
        return;
    }
    if (s->is_rx_sized)
        s->rx_left -= bytes.len;
    /* Until there is no room: only then does the pipe promise a wake. */
    while (s->rx == H2_RX_BODY && s->spill_count == 0 && bytes.len > 0 && !is_unwanted(s)) {
        uint32_t len = put(s, bytes);

        if (len == 0)
            break;
        bytes.start += len;
        bytes.len -= len;
    }
    if (bytes.len > 0 && !is_unwanted(s) && !spill_add(s, bytes)) {
        h2_stream_fail(s, FAULT_NO_BUFFERS);
        h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    h2_window_note(s, came);
}

void h2_receive_more(struct h2_stream *s)
{
    if (s->rx != H2_RX_BODY || s->stream.is_rx_done)
        return;
    while (s->spill_count > 0 && !is_unwanted(s)) {
        uint32_t len = put(s, s->spill[0]);

        if (len == 0)
            break;
        spill_drop(s, len);
    }
    h2_window_taken(s, 0);
    if (s->spill_count == 0 && s->has_rx_end && !is_unwanted(s))
        receive_done(s);
    else
        h2_clock_note_read(s, 0);
    h2_clock_arm(s);
}

void h2_receive_begin(struct h2_stream *s, const struct head *head)
{
    s->is_rx_sized = head->body == BODY_SIZED || head->body == BODY_NONE;
    s->rx_left = head->body == BODY_SIZED ? head->length : 0;
    s->rx = H2_RX_BODY;
    h2_clock_note_read(s, 0);
    h2_clock_arm(s);
}

void h2_receive_end(struct h2_stream *s)
{
    if (s->has_rx_end || s->is_reset)
        return;
    s->has_rx_end = true;
    if (s->rx == H2_RX_HEAD || (s->is_rx_sized && s->rx_left > 0)) {
        s->has_rx_end = false;
        h2_stream_refuse(s, s->h2->is_server ? FAULT_BAD_BODY : FAULT_BAD_PEER_BODY);
    } else if (s->rx == H2_RX_BODY && s->spill_count == 0 && !is_unwanted(s)) {
        receive_done(s);
    }
}

void h2_receive_trailers(struct h2_stream *s, bool is_end)
{
    struct h2_head *block = &s->h2->block;
    int             fault = h2_head_end_trailers(block, is_end);

    if (fault != FAULT_NONE || s->rx != H2_RX_BODY || s->has_rx_end) {
        h2_stream_refuse(s, s->h2->is_server ? FAULT_BAD_BODY : FAULT_BAD_PEER_BODY);
        return;
    }
    if (block->head->fields.count > 0)
        s->stream.rx_trailers = &block->head->fields;
    h2_receive_end(s);
}
