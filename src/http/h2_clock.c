// SPDX-License-Identifier: MIT
/* Deadlines of streams: one timer for the whole connection, and a look at each stream when it fires.
 * What only moves later is found at that look, so a stream in motion costs nothing. */
#include <string.h>

#include "http/h2_parts.h"

struct due {
    int64_t        deadline_ms;          /* INT64_MAX: none */
    enum conn_wait wait;                 /* NONE: what we send */
};

static void sooner(struct due *due, int64_t since_ms, uint32_t most_ms, enum conn_wait wait)
{
    if (most_ms > 0 && since_ms + most_ms < due->deadline_ms)
        *due = (struct due){ .deadline_ms = since_ms + most_ms, .wait = wait };
}

static bool is_receiving(const struct h2_stream *s)
{
    const struct pipe *pipe = s->stream.rx_body;

    return s->rx == H2_RX_BODY && !s->has_rx_end && !s->is_dropping && !s->is_tunnel &&
           s->spill_count == 0 && pipe != NULL && !pipe->is_writer_waiting && pipe->fault == 0;
}

static struct due due_of(const struct h2_stream *s)
{
    const struct conn_timeouts *timeouts = &s->timeouts;
    struct due                  due = { .deadline_ms = INT64_MAX };

    if (s->stream.fault != FAULT_NONE || s->is_reset)
        return due;
    if (is_receiving(s)) {
        sooner(&due, s->rx_since_ms, timeouts->waits_ms[CONN_WAIT_BODY], CONN_WAIT_BODY);
        if (timeouts->body_rate > 0 && s->pace_ms < due.deadline_ms)
            due = (struct due){ .deadline_ms = s->pace_ms, .wait = CONN_WAIT_PACE };
    }
    if (!s->h2->is_server && s->rx == H2_RX_HEAD && s->stream.is_tx_done)
        sooner(&due, s->tx_since_ms, timeouts->waits_ms[CONN_WAIT_HEAD], CONN_WAIT_HEAD);
    if (h2_send_is_stalled(s))
        sooner(&due, s->tx_since_ms, timeouts->send_ms, CONN_WAIT_NONE);
    return due;
}

static void expire(struct h2_stream *s, enum conn_wait wait)
{
    h2_stream_fail(s, s->h2->is_server ? h2_server_fault_of_delay(s, wait)
                                       : h2_client_fault_of_delay(s, wait));
    if (wait == CONN_WAIT_NONE)
        h2_stream_reset(s, NGHTTP2_CANCEL);
}

/* A stream that sends and is not stalled may be so before the next look. */
static int64_t next_look_ms(const struct h2_stream *s, int64_t now_ms)
{
    bool    is_sending = s->has_sent_head && !s->has_tx_end && s->timeouts.send_ms > 0;
    int64_t deadline_ms = due_of(s).deadline_ms;

    if (is_sending && now_ms + s->timeouts.send_ms < deadline_ms)
        return now_ms + s->timeouts.send_ms;
    return deadline_ms;
}

/* ---- rests ---- */

void h2_rest_over(struct h2_codec *h2, int32_t id)
{
    unsigned i = 0;

    while (i < h2->rest_count && h2->rests[i].id != id)
        i++;
    if (i == h2->rest_count)
        return;
    h2->rest_count--;
    memmove(&h2->rests[i], &h2->rests[i + 1], (h2->rest_count - i) * sizeof(h2->rests[0]));
}

static void rest_reset(struct h2_codec *h2)
{
    int32_t id = h2->rests[0].id;

    h2_rest_over(h2, id);
    h2_check(h2, nghttp2_submit_rst_stream(h2->engine, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR));
    h2_wake_conn(h2, WAKE_DATA);
}

void h2_rest_add(struct h2_codec *h2, int32_t id)
{
    int64_t until_ms = h2_now_ms(h2) + H2_REST_MS;

    if (h2->rest_count == H2_RESTS_MOST)
        rest_reset(h2);
    h2->rests[h2->rest_count++] = (struct h2_rest){ .id = id, .until_ms = until_ms };
    h2_clock_look_at(h2, until_ms);
}

/* When the next one is due. */
static int64_t rests_look(struct h2_codec *h2, int64_t now_ms)
{
    while (h2->rest_count > 0 && h2->rests[0].until_ms <= now_ms)
        rest_reset(h2);
    return h2->rest_count > 0 ? h2->rests[0].until_ms : INT64_MAX;
}

static void clock_run(struct task *task, unsigned wakes)
{
    struct h2_codec *h2 = container_of(task, struct h2_codec, clock);
    int64_t          now_ms = h2_now_ms(h2), next_ms;

    (void)wakes;
    if (h2->is_lost)
        return;
    next_ms = h2->is_server ? rests_look(h2, now_ms) : h2_pulse_look(h2, now_ms);
    if (h2->drain == H2_DRAIN_NOTICE && now_ms >= h2->drain_ms)
        h2_drain_end(h2);
    else if (h2->drain == H2_DRAIN_NOTICE && h2->drain_ms < next_ms)
        next_ms = h2->drain_ms;
    LIST_EACH(&h2->streams, at) {
        struct h2_stream *s = container_of(at, struct h2_stream, link);
        struct due        due = due_of(s);
        int64_t           look_ms;

        if (due.deadline_ms <= now_ms)
            expire(s, due.wait);
        look_ms = next_look_ms(s, now_ms);
        if (look_ms < next_ms)
            next_ms = look_ms;
    }
    if (next_ms != INT64_MAX)
        timer_set(loop_timers(h2->conn->loop), &h2->timer, next_ms);
}

void h2_clock_init(struct h2_codec *h2)
{
    task_init(&h2->clock, clock_run);
    timer_init(&h2->timer, &h2->clock);
}

void h2_clock_done(struct h2_codec *h2)
{
    if (h2->conn != NULL)
        timer_remove(loop_timers(h2->conn->loop), &h2->timer);
    task_cancel(&h2->clock);
}

void h2_clock_look_at(struct h2_codec *h2, int64_t deadline_ms)
{
    if (deadline_ms != INT64_MAX && !h2->is_lost &&
        (h2->timer.deadline_ms == TIMER_OFF || deadline_ms < h2->timer.deadline_ms))
        timer_set(loop_timers(h2->conn->loop), &h2->timer, deadline_ms);
}

void h2_clock_arm(struct h2_stream *s)
{
    if (!s->h2->is_lost)
        h2_clock_look_at(s->h2, next_look_ms(s, h2_now_ms(s->h2)));
}

/* Each byte buys time, and never more than the slack; with none, a wait begins anew. */
void h2_clock_note_read(struct h2_stream *s, size_t len)
{
    int64_t now_ms = h2_now_ms(s->h2), most_ms = now_ms + s->timeouts.body_slack_ms;

    s->rx_since_ms = now_ms;
    if (s->timeouts.body_rate == 0)
        return;
    s->pace_ms += (int64_t)len * 1000 / s->timeouts.body_rate;
    if (len == 0 || s->pace_ms > most_ms)
        s->pace_ms = most_ms;
}
