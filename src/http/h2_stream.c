// SPDX-License-Identifier: MIT
/* A stream's life: made by the codec, held by an owner, forgotten by the engine, released; the last
 * two in any order. Buried when it is released, since others may look at it until the turn ends. */
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "http/h2_parts.h"

static struct pool pool = POOL("h2_stream", struct h2_stream, 256);

struct h2_stream *h2_of_stream(struct stream *stream)
{
    return container_of(stream, struct h2_stream, stream);
}

/* Wakes from the pipes, and from the owner: room, bytes, a tail that is not held any more. */
static void stream_run(struct task *task, unsigned wakes)
{
    struct h2_stream *s = container_of(task, struct h2_stream, stream.task);

    /* Also of a connection that is lost: what came before waits here. */
    if (wakes & WAKE_ROOM) {
        h2_client_show(s);
        h2_receive_more(s);
    }
    h2_send_more(s);
}

const struct task *h2_owner_of_task(const struct task *task)
{
    return task->run == stream_run ? container_of(task, struct stream, task)->owner : NULL;
}

struct h2_stream *h2_stream_new(struct h2_codec *h2, const struct stream_ops *ops)
{
    struct h2_stream *s = pool_take(&pool);
    struct stream    *stream = &s->stream;

    s->h2 = h2;
    list_init(&s->link);
    s->timeouts = h2->conn->timeouts;
    s->window = h2_window_of_stream(h2);
    task_init(&stream->task, stream_run);
    stream->ops = ops;
    stream->conn = h2->conn;
    stream->rx_budget = stream->tx_budget = BUDGET_NONE;
    s->rx_since_ms = s->tx_since_ms = h2_now_ms(h2);
    return s;
}

void h2_stream_hold(struct h2_stream *s)
{
    s->is_accepted = true;
    s->stream.number = ++s->h2->messages;
    s->h2->held++;
    list_append(&s->h2->streams, &s->link);
}

static void stream_free(struct corpse *corpse)
{
    pool_give(&pool, container_of(corpse, struct h2_stream, corpse));
}

static void stream_bury(struct h2_stream *s)
{
    struct h2_codec *h2 = s->h2;

    h2_receive_drop(s);
    h2_window_forget(s);
    if (h2->block_stream == s)
        h2->block_stream = NULL;
    if (s->is_live && !h2->is_lost)
        (void)nghttp2_session_set_stream_user_data(h2->engine, s->id, NULL);
    h2_batch_forget(h2, s);
    list_remove(&s->link);
    task_cancel(&s->stream.task);
    s->corpse.release = stream_free;
    loop_bury(h2->conn->loop, &s->corpse);
}

void h2_stream_discard(struct h2_stream *s)
{
    arena_free(&s->stream.arena);
    stream_bury(s);
}

void h2_stream_release(struct h2_stream *s, uint32_t code)
{
    struct h2_codec *h2 = s->h2;

    s->stream.owner = NULL;
    /* An answer that is whole before its request is: the rest of that is not wanted (RFC 9113 8.1). */
    if (h2->is_server && s->is_live && !h2->is_lost && !s->is_reset && s->has_tx_end &&
        !s->has_rx_end)
        h2_rest_add(h2, s->id);
    else if (s->is_live && !(s->has_tx_end && s->has_rx_end))
        h2_stream_reset(s, code);
    stream_bury(s);
    h2->held--;
    if (h2->is_lost) {
        task_wake(&h2->conn->task, WAKE_END);   /* its memory may go now */
        return;
    }
    h2_settle(h2);
    h2_wake_conn(h2, WAKE_END);                 /* arms the next deadline */
}

void h2_stream_use(struct stream *stream, const struct conn_timeouts *timeouts)
{
    struct h2_stream *s = h2_of_stream(stream);

    s->timeouts = *timeouts;
    s->pace_ms = s->rx_since_ms + timeouts->body_slack_ms;
    h2_clock_arm(s);
}

void h2_stream_wake_owner(struct h2_stream *s, unsigned wakes)
{
    if (s->is_accepted && s->stream.owner != NULL)
        task_wake(s->stream.owner, wakes);
}

void h2_stream_fail(struct h2_stream *s, int fault)
{
    struct stream *stream = &s->stream;

    if (stream->fault == FAULT_NONE)
        stream->fault = fault;
    if (stream->rx_body != NULL && !stream->rx_body->is_ended)
        pipe_break(stream->rx_body, fault);
    h2_receive_drop(s);
    h2_stream_wake_owner(s, WAKE_FAULT);
}

void h2_stream_reset(struct h2_stream *s, uint32_t code)
{
    if (s->is_reset || !s->is_live || s->h2->is_lost)
        return;
    s->is_reset = true;
    h2_check(s->h2, nghttp2_submit_rst_stream(s->h2->engine, NGHTTP2_FLAG_NONE, s->id, code));
    h2_wake_conn(s->h2, WAKE_DATA);
}

void h2_stream_refuse(struct h2_stream *s, int fault)
{
    struct h2_codec *h2 = s->h2;

    if (h2->is_server && !s->has_sent_head && !glitches_reset(&h2->glitches, h2_now_ms(h2)))
        h2_doom(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_stream_reset(s, NGHTTP2_PROTOCOL_ERROR);
    h2_stream_fail(s, fault);
}

/* Nothing that is to come on the connection matters to its owner. */
static bool is_over(const struct h2_stream *s)
{
    bool is_received = s->stream.is_rx_done || s->has_rx_end;

    return is_received && (s->stream.is_tx_done || !(s->h2->is_server || s->is_tunnel));
}

void h2_streams_fail(struct h2_codec *h2, int (*fault_of)(const struct h2_stream *s, int why),
                     int why)
{
    LIST_EACH(&h2->streams, at) {
        struct h2_stream *s = container_of(at, struct h2_stream, link);

        if (!is_over(s))
            h2_stream_fail(s, fault_of(s, why));
    }
}

/* As in HTTP/1 the pipes are new ones now. What came too early waits for the receiving one. */
void h2_stream_tunnel(struct stream *stream)
{
    struct h2_stream *s = h2_of_stream(stream);

    s->is_tunnel = true;
    stream->is_tx_done = stream->is_rx_done = false;
    s->is_rx_sized = false;
    if (s->rx == H2_RX_HELD)
        s->rx = H2_RX_BODY;
    h2_receive_more(s);
    h2_send_more(s);
}
