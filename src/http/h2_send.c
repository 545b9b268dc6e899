// SPDX-License-Identifier: MIT
/* Bodies from pipes into frames, when the engine asks: its windows and priorities say whose turn it
 * is, the pipe and the budget how much there is. Nothing there: the stream is deferred, and resumed
 * by what wakes it. */
#include "http/h2_parts.h"

static ssize_t defer(struct h2_stream *s)
{
    s->is_deferred = true;
    return NGHTTP2_ERR_DEFERRED;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The frame that is asked for is the last, but for trailers. */
static void end_body(struct h2_stream *s, uint32_t *flags)
{
    struct stream *stream = &s->stream;
    struct h2_list list;

    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->tx_trailers == NULL)
        return;
    h2_write_trailers(stream->tx_trailers, stream->arena, &list);
    if (list.count == 0)
        return;
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    h2_check(s->h2, nghttp2_submit_trailer(s->h2->engine, s->id, list.items, list.count));
}

static ssize_t next_chunk(struct h2_stream *s, size_t room, uint32_t *flags)
{
    struct stream *stream = &s->stream;
    struct pipe   *pipe = stream->tx_body;
    uint64_t       left, len;
    bool           is_last;

    if (pipe == NULL || pipe->fault != 0 || (s->is_upgrade && !s->is_tunnel))
        return defer(s);
    left = s->is_tx_sized ? s->tx_left : UINT64_MAX;
    len = least(least(room, s->h2->settings.chunk_size), least(pipe->fill, stream->tx_budget));
    len = least(len, left);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    is_last = len == left || (pipe->is_ended && len == pipe->fill);
    if (is_last && len < left && s->is_tx_sized) {
        /* Shorter than announced: it must not seem whole. */
        h2_stream_fail(s, FAULT_INTERNAL);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (is_last && !stream->is_tail_held)
        end_body(s, flags);
    else if (len == 0)
        return defer(s);
    return (ssize_t)len;
}

static ssize_t read_chunk(nghttp2_session *engine, int32_t id, uint8_t *room, size_t len,
                          uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(engine, id);

    (void)room;
    (void)source;
    (void)arg;
    return s == NULL ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : next_chunk(s, len, flags);
}

static const nghttp2_data_provider provider = { .read_callback = read_chunk };

enum h2_send h2_send_begin(struct h2_stream *s, nghttp2_data_provider *ret_provider)
{
    struct stream *stream = &s->stream;
    struct head   *head = stream->tx_head;
    bool           has_tail = stream->tx_trailers != NULL || stream->is_tail_held;
    bool           is_empty = head->body == BODY_SIZED
                                  ? head->length == 0
                                  : stream->tx_body == NULL || pipe_is_finished(stream->tx_body);

    s->is_tx_sized = head->body == BODY_SIZED;
    s->tx_left = head->length;
    *ret_provider = provider;
    s->tx_since_ms = h2_now_ms(s->h2);
    if (s->is_upgrade)
        s->is_tx_sized = false;
    else if (head->body == BODY_NONE || (is_empty && !has_tail))
        return H2_SEND_NOTHING;
    h2_clock_arm(s);
    s->is_waiting =
        s->h2->is_server && (stream->tx_body == NULL || !pipe_has_data(stream->tx_body));
    return s->is_waiting ? H2_SEND_LATER : H2_SEND_NOW;
}

/* No window is open for the empty frame that would end it, and none is needed for trailers. */
static bool end_at_once(struct h2_stream *s)
{
    const struct stream *stream = &s->stream;
    struct h2_list       list = { .items = NULL, .count = 0 };
    nghttp2_session     *engine = s->h2->engine;

    if (stream->is_tail_held || (s->is_tx_sized && s->tx_left > 0) ||
        !pipe_is_finished(stream->tx_body) ||
        (nghttp2_session_get_stream_remote_window_size(engine, s->id) > 0 &&
         nghttp2_session_get_remote_window_size(engine) > 0))
        return false;
    if (stream->tx_trailers != NULL)
        h2_write_trailers(stream->tx_trailers, stream->arena, &list);
    h2_check(s->h2, nghttp2_submit_trailer(engine, s->id, list.items, list.count));
    return true;
}

/* There is some of the body now, or its end. */
static void begin_late(struct h2_stream *s)
{
    const struct stream *stream = &s->stream;

    if (stream->tx_body == NULL || (s->is_upgrade && !s->is_tunnel) ||
        !(pipe_has_data(stream->tx_body) || (stream->tx_body->is_ended && !stream->is_tail_held)))
        return;
    s->is_waiting = false;
    if (!end_at_once(s))
        h2_check(s->h2,
                 nghttp2_submit_data(s->h2->engine, NGHTTP2_FLAG_END_STREAM, s->id, &provider));
}

void h2_send_more(struct h2_stream *s)
{
    if (s->h2->is_lost)
        return;
    if (s->is_waiting && s->is_live && !s->is_reset)
        begin_late(s);
    if (s->is_deferred && s->is_live && !s->is_reset) {
        s->is_deferred = false;
        h2_check(s->h2, nghttp2_session_resume_data(s->h2->engine, s->id));
        s->tx_since_ms = h2_now_ms(s->h2);
        h2_clock_arm(s);
    }
    h2_wake_conn(s->h2, WAKE_DATA);
}

bool h2_send_is_stalled(const struct h2_stream *s)
{
    nghttp2_session *engine = s->h2->engine;

    return s->is_live && s->has_sent_head && !s->has_tx_end && !s->is_reset && !s->is_deferred &&
           !s->is_waiting &&
           (nghttp2_session_get_stream_remote_window_size(engine, s->id) <= 0 ||
            nghttp2_session_get_remote_window_size(engine) <= 0);
}

int h2_send_chunk(struct h2_stream *s, const uint8_t *frame_head, size_t len)
{
    struct stream *stream = &s->stream;

    if (len > 0 &&
        (stream->tx_body == NULL || stream->tx_body->fault != 0 || stream->tx_body->fill < len))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (s->is_tx_sized)
        s->tx_left -= len;
    if (stream->tx_budget != BUDGET_NONE)
        stream->tx_budget -= len;
    return h2_batch_add_chunk(s->h2, s, frame_head, len) ? 0 : NGHTTP2_ERR_PAUSE;
}
