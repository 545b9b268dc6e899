// SPDX-License-Identifier: MIT
/* Is the server still there? A connection that has become silent is asked by PING: one that nobody hears any
 * more fails its streams then, instead of each at its own timeout, and takes no new ones.
 *
 * No answer does not mean that nobody is there: a program may be busy. The kernel knows whether the other one
 * still acknowledges what is sent. Servers of gRPC end a connection with the third PING within five minutes
 * in which they had nothing to say; so it is asked once when it falls silent and once when it is used again,
 * and later seldom. */
#include "http/h2_parts.h"
#include "net/socket.h"

enum {
    SILENCE_MS = 10 * 1000,              /* then it is asked */
    ANSWER_MS = 10 * 1000,               /* for so long an answer is waited for */
    AGAIN_MS = 330 * 1000                /* while streams wait in silence */
};

static void ask(struct h2_codec *h2, int64_t now_ms)
{
    static const uint8_t mark[H2_PING_BYTES] = "pulse";

    h2->asked_ms = now_ms;
    h2->is_asking = true;
    h2_check(h2, nghttp2_submit_ping(h2->engine, NGHTTP2_FLAG_NONE, mark));
    h2_wake_conn(h2, WAKE_DATA);
}

/* When to ask next. */
static int64_t due_ms(const struct h2_codec *h2)
{
    if (h2->is_asking)
        return h2->asked_ms + ANSWER_MS;
    if (h2->asked_ms <= h2->said_ms)
        return h2->said_ms + SILENCE_MS;
    return h2->held > 0 ? h2->asked_ms + AGAIN_MS : INT64_MAX;
}

/* Whoever waits for a busy one may go on waiting: that is what their own timeouts are for. */
static void answer_is_missing(struct h2_codec *h2)
{
    h2->is_asking = false;
    h2->is_mute = true;
    if (h2->held > 0 && socket_is_acknowledging(h2->conn->transport.fd, ANSWER_MS))
        return;
    h2_streams_fail(h2, h2_client_fault_of_loss, LOSS_TIMEOUT);
    h2->codec.protocol.must_reset = true;
    h2_wake_conn(h2, WAKE_END);
}

void h2_pulse_heard(struct h2_codec *h2)
{
    h2->heard_ms = h2_now_ms(h2);
    h2->is_asking = h2->is_mute = false;
}

void h2_pulse_said(struct h2_codec *h2)
{
    h2->said_ms = h2->heard_ms;
}

void h2_pulse_use(struct h2_codec *h2)
{
    int64_t now_ms = h2_now_ms(h2);

    if (!h2->is_asking && now_ms - h2->heard_ms >= SILENCE_MS)
        ask(h2, now_ms);
    h2_clock_look_at(h2, due_ms(h2));
}

int64_t h2_pulse_look(struct h2_codec *h2, int64_t now_ms)
{
    if (h2->codec.protocol.is_closing || h2->codec.protocol.must_reset)
        return INT64_MAX;
    if (now_ms >= due_ms(h2)) {
        if (h2->is_asking)
            answer_is_missing(h2);
        else
            ask(h2, now_ms);
    }
    return due_ms(h2);
}
