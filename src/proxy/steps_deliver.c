// SPDX-License-Identifier: MIT
/* The answer on its way to the client, and the end. */
#include "balance/wait.h"
#include "http/codec.h"
#include "http/h1_codec.h"
#include "http/status.h"
#include "proxy/answer_head.h"
#include "proxy/caching.h"
#include "proxy/client.h"
#include "proxy/hedge.h"
#include "proxy/rate.h"
#include "proxy/steps.h"
#include "proxy/trailers.h"

/* ---- facts about the client ---- */

static void peer_not_needed(struct exchange *x)
{
    wait_cancel(&x->wait);
    hedge_cancel(x);
    forward_retry_end(x);
    if (x->peer != NULL || x->connector.state != CONNECTOR_NONE || x->chosen != NULL)
        forward_done(x, false, false);
}

/* What the client did ends the exchange: answered if that is still possible, cut otherwise. */
static void client_failed(struct exchange *x, int fault)
{
    const struct fault_row *row = fault_row(fault);

    if (!x->is_unattended && x->parent == NULL)
        exchange_log(x, fault == FAULT_BODY_TOO_LARGE ? LOG_ERROR : LOG_INFO, "%s", row->words);
    if (fault != FAULT_SHUTDOWN && caching_outlives_client(x)) {
        x->status = x->is_head_sent ? x->status : (unsigned)row->status;
        caching_client_left(x);
        return;
    }
    x->fault = fault;
    peer_not_needed(x);
    if (x->is_head_sent || row->status == 499 || x->client->conn->is_closed) {
        x->is_client_gone = true;
        x->status = x->is_head_sent ? x->status : (unsigned)row->status;
        x->client->ops->reset(x->client, fault);
        exchange_go(x, &step_finish);
        return;
    }
    exchange_answer(x, (unsigned)row->status);
}

static bool is_before_answer(const struct exchange *x)
{
    return x->step != &step_deliver && x->step != &step_fill && x->step != &step_serve &&
           x->step != &step_stitch && x->step != &step_relay && x->step != &step_tunnel &&
           x->step != &step_respond && x->step != &step_finish;
}

/* For the answer of somebody who is asked, or may be soon. */
static bool is_waiting(const struct exchange *x)
{
    static const struct step *const steps[] = { &step_slice, &step_load,  &step_follow, &step_resolve,
                                                &step_pick,  &step_queue, &step_hold };

    if (x->step == &step_gather)         /* what is stored needs nobody */
        return !caching_is_on(x);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (x->step == steps[i])
            return true;
    return false;
}

/* A client that has said all it wanted may close its side and still read, or be gone: as nginx, we
 * take it for gone while a server is asked, unless proxy_ignore_client_abort says otherwise. */
static bool may_overlook(const struct exchange *x, int fault)
{
    bool is_there = !x->client->conn->is_closed;

    if ((fault != FAULT_CLIENT_GONE && fault != FAULT_CLIENT_RESET) || !x->request_body.is_ended)
        return false;
    if (x->limit_until_ms > 0 || x->is_unattended)
        return false;   /* it waits its turn for nobody; or nobody leaves */
    if (x->location->proxy.is_ignoring_abort)
        return is_there || is_before_answer(x);
    return is_there && x->chosen == NULL && !is_waiting(x);
}

/* While it waits for a place nobody reads on, so what the client has sent besides may hide its end: but
 * the poller has told of it. */
static int fault_of_client(const struct exchange *x)
{
    bool has_left = x->step == &step_queue && x->client->conn->has_hangup;

    if (x->client->fault == FAULT_NONE && has_left && !x->location->proxy.is_ignoring_abort)
        return FAULT_CLIENT_GONE;
    return x->client->fault;
}

void exchange_note(struct exchange *x)
{
    int fault = fault_of_client(x);

    if (fault == FAULT_NONE || x->noted_fault == fault || x->step == &step_route ||
        x->is_client_gone || may_overlook(x, fault))
        return;
    x->noted_fault = fault;
    client_failed(x, fault);
}

/* ---- sending the head ---- */

static bool is_last_on_connection(const struct exchange *x)
{
    const struct location *location = x->location;

    return client_is_draining(x->client_conn) || location->keepalive_timeout_ms == 0 ||
           exchange_request_number(x) >= location->keepalive_requests ||
           (location->keepalive_time_ms > 0 &&
            loop_now_ms(x->loop) - exchange_connected_ms(x) >= location->keepalive_time_ms);
}

/* keepalive_timeout's second value: tells the client how long it may rest. */
static void announce_keepalive(struct exchange *x)
{
    uint32_t seconds = x->location->keepalive_header_s;

    if (seconds > 0 && !x->client->is_last && x->request->may_persist)
        fields_add_id(&x->answer->fields, FIELD_KEEP_ALIVE,
                      arena_format(x->arena, "timeout=%u", seconds));
}

/* Trailers need chunks: a body of known length is sent in chunks for their sake. */
static void trailers_set(struct exchange *x)
{
    struct head *answer = x->answer;
    bool         may_chunk = answer->body == BODY_SIZED && x->location->is_chunking &&
                     x->request->version >= 11 && x->request->method != METHOD_HEAD &&
                     status_has_content(answer->status);

    if (x->location->trailers == NULL || x->parent != NULL ||
        (answer->body != BODY_CHUNKED && !may_chunk))
        return;
    x->client->tx_trailers = answer_trailers(x);
    if (x->client->tx_trailers == NULL)
        return;
    answer->body = BODY_CHUNKED;
    answer->has_length = false;
}

void deliver_begin(struct exchange *x)
{
    struct stream *client = x->client;

    x->is_head_sent = true;
    x->status = x->answer->status;
    client->tx_head = x->answer;
    client->tx_body = &x->response_body;
    client->is_last = client->is_last || is_last_on_connection(x) ||
                      (x->request->may_persist && !client_may_rest(x->client_conn));
    if (x->answer->body == BODY_UNTIL_CLOSE)
        x->answer->body = BODY_CHUNKED;   /* the peer closes, we mark the end */
    if (!x->location->is_chunking && x->answer->body == BODY_CHUNKED)
        x->answer->body = BODY_UNTIL_CLOSE;
    trailers_set(x);
    announce_keepalive(x);
    pace(x);
    if (x->step == &step_deliver)
        trailers_await_answer(x);
    pipe_set_reader(&x->response_body, &client->task);   /* first: one wake of the conn for both */
    client->ops->send(client);
}

/* ---- pacing ---- */

/* nginx's rule: rate * (seconds + 1) bytes beyond limit_rate_after are due by now. The seconds are those
 * since the answer began, so that a server that takes its time gives nobody a burst. */
void pace(struct exchange *x)
{
    enum { PACE_MS = 100, AT_ONCE_MS = 1000 };
    struct stream *client = x->client;
    uint64_t       rate = rate_to_client(x), due;
    int64_t        elapsed_ms;

    if (rate == 0)
        return;
    if (x->pace_started_ms == 0)
        x->pace_started_ms = loop_now_ms(x->loop);
    elapsed_ms = loop_now_ms(x->loop) - x->pace_started_ms;
    due = rate_free_bytes(x) + rate * (uint64_t)(elapsed_ms + AT_ONCE_MS) / 1000;
    x->response_body.may_splice = false;
    client->tx_budget = due > x->response_body.total_out ? due - x->response_body.total_out : 0;
    if (client->tx_budget > 0)
        task_wake(&client->task, WAKE_DATA);
    timer_set(loop_timers(x->loop), &x->pace_timer, loop_now_ms(x->loop) + PACE_MS);
}

/* ---- deliver ---- */

static enum turn cut(struct exchange *x, int fault)
{
    exchange_log(x, LOG_ERROR, "%s", fault_row(fault)->words);
    x->fault = fault;
    forward_done(x, false, fault_row(fault)->blame == BLAME_PEER);
    x->is_client_gone = true;
    x->client->ops->reset(x->client, fault);
    return exchange_go(x, &step_finish);
}

void pace_peer(struct exchange *x)
{
    enum { PACE_MS = 100 };
    struct stream *peer = x->peer;
    uint64_t       came = peer->rx_body->total_in;
    uint64_t       due;

    if (x->peer_paced_ms == 0)
        x->peer_paced_ms = loop_now_ms(x->loop);
    due = x->location->proxy.limit_rate *
          (uint64_t)(loop_now_ms(x->loop) - x->peer_paced_ms + PACE_MS) / 1000;
    if (due > came) {
        peer->rx_budget = due - came;
        task_wake(&peer->task, WAKE_ROOM);
    }
    timer_set(loop_timers(x->loop), &x->timer, loop_now_ms(x->loop) + PACE_MS);
}

/* By GET for a client's HEAD, and then it was not stored: nobody reads the body. */
static bool has_no_reader(const struct exchange *x)
{
    return x->request->method == METHOD_HEAD && x->response->body != BODY_NONE;
}

static enum turn run_deliver(struct exchange *x)
{
    struct stream *client = x->client, *peer = x->peer;

    if (!x->is_head_sent) {
        answer_use_status(x, x->response);
        x->answer = answer_head_from_peer(x);
        x->answer->status = x->status;
        x->response_trailers = peer->rx_trailers;
        deliver_begin(x);
    }
    if (peer != NULL && peer->is_rx_done) {
        x->response_trailers = peer->rx_trailers;
        trailers_pass_answer(x);
        forward_done(x, peer->is_tx_done, false);
    } else if (peer != NULL && has_no_reader(x)) {
        trailers_pass_answer(x);
        forward_done(x, false, false);
    } else if (peer != NULL && peer->fault != FAULT_NONE) {
        return cut(x, peer->fault);
    }
    if (client->tx_budget != BUDGET_NONE && !client->is_tx_done)
        pace(x);
    if (x->peer != NULL && x->peer->rx_budget != BUDGET_NONE)
        pace_peer(x);
    if (client->is_tx_done && x->peer == NULL)
        return exchange_go(x, &step_finish);
    /* The client has all of a sized answer although the peer says more: not our client's trouble. */
    if (client->is_tx_done && client->fault != FAULT_NONE)
        return exchange_go(x, &step_finish);
    return TURN_WAIT;
}

/* ---- finish ---- */

enum turn finish_for_nobody(struct exchange *x)
{
    x->is_client_gone = true;
    return exchange_go(x, &step_finish);
}

static enum turn run_finish(struct exchange *x)
{
    struct stream *client = x->client;

    if (client->tx_budget != BUDGET_NONE && !client->is_tx_done)
        pace(x);
    /* A refused request has a fault too, and its answer must still go out. */
    if (client->is_tx_done || x->is_client_gone || client->conn->is_closed)
        return TURN_DONE;
    return TURN_WAIT;
}

const struct step step_deliver = { "deliver", run_deliver, GUARD_BOTH };
const struct step step_finish = { "finish", run_finish, GUARD_CLIENT };
