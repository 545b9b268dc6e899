// SPDX-License-Identifier: MIT
/* After a failure: the same request again on a fresh connection, another peer, or an error answer. */
#include <errno.h>

#include "proxy/caching.h"
#include "proxy/hedge.h"

/* nginx: a request of such a method is not given to another server once it has been sent. */
static bool is_repeatable(const struct exchange *x)
{
    return method_is_idempotent(x->request->method) ||
           (x->location->proxy.next_upstream & NEXT_NON_IDEMPOTENT);
}

static bool is_body_whole(struct exchange *x)
{
    return x->request->body == BODY_NONE || !x->location->proxy.is_passing_body ||
           x->location->proxy.body != NULL ||
           (x->request_body.fault == 0 && pipe_may_rewind(&x->request_body));
}

static bool was_sent(const struct exchange *x)
{
    return x->peer != NULL && x->peer->tx_bytes > 0 && x->fault != FAULT_PEER_REFUSED;
}

/* An error_page or X-Accel-Redirect begins anew. */
static int64_t round_started_us(const struct exchange *x)
{
    int64_t started_us = x->attempts->started_us;

    for (const struct attempt *at = x->attempts; at != NULL; at = at->next)
        if (at->is_redirect)
            started_us = at->started_us;
    return started_us;
}

static bool is_in_time(const struct exchange *x)
{
    const struct proxy_policy *policy = &x->location->proxy;

    return policy->next_timeout_ms == 0 ||
           loop_now_us(x->loop) - round_started_us(x) < (int64_t)policy->next_timeout_ms * 1000;
}

/* To whomever: the whole request is still here, nobody can tell, and saying it twice does no harm. */
static bool may_say_again(struct exchange *x)
{
    return !x->is_head_sent && !x->is_client_gone && is_body_whole(x) &&
           (!was_sent(x) || is_repeatable(x));
}

bool forward_may_retry(struct exchange *x, unsigned condition)
{
    const struct proxy_policy *policy = &x->location->proxy;
    unsigned                   tries = group_peer_count(x->upstream, &x->ask);

    if (policy->next_tries > 0 && policy->next_tries < tries)
        tries = policy->next_tries;
    return (policy->next_upstream & condition) && !(policy->next_upstream & NEXT_OFF) &&
           x->ask.tried_count < tries && is_in_time(x) && may_say_again(x);
}

/* A kept connection closed under us before any answer: nobody's fault, and no reason for a 502 when
 * the request can safely be said again. */
static bool may_repeat_fresh(struct exchange *x)
{
    return !x->must_be_new && may_say_again(x);
}

/* Nothing was done with it: for a few times the same server is asked again on another connection, or
 * another server, if there is one and the same has refused twice. */
static bool may_ask_again(struct exchange *x)
{
    enum { REFUSALS_MOST = 3 };

    if (x->refusals >= REFUSALS_MOST || !may_say_again(x) || x->hedge != NULL)
        return false;
    return x->refusals++ == 0 || !forward_may_retry(x, NEXT_ERROR);
}

static unsigned condition_of(const struct fault_row *row)
{
    switch (row->retry) {
    case RETRY_REUSED:
    case RETRY_REFUSED:
    case RETRY_ERROR:
        return NEXT_ERROR;
    case RETRY_TIMEOUT:
        return NEXT_TIMEOUT;
    case RETRY_INVALID:
        return NEXT_INVALID_HEADER;
    case RETRY_NEVER:
        break;
    }
    return 0;
}

void forward_rewind(struct exchange *x)
{
    if (x->request->body == BODY_NONE)
        return;
    if (pipe_may_rewind(&x->request_body))
        pipe_rewind(&x->request_body);
    else
        x->request->body = BODY_NONE;
}

void forward_anew(struct exchange *x, struct text uri)
{
    bool is_head = x->request->method == METHOD_HEAD;

    if (uri.ptr[0] == '/' || x->request->method_name.len == 0) {
        x->request->method = is_head ? METHOD_HEAD : METHOD_GET;
        x->request->method_name = is_head ? TEXT("HEAD") : TEXT("GET");
    }
    forward_rewind(x);
    caching_end(x);                      /* another location may have another cache */
    x->answer_text = x->answer_type = x->answer_location = TEXT_NONE;
    x->upstream_host = x->upstream_port = TEXT_NONE;
    x->has_upstream_uri = false;
    x->is_new_round = true;
    x->fault = FAULT_NONE;
    forward_retry_end(x);
    x->ask.tried_count = 0;
    x->must_be_new = false;
    x->name_wait_ms = 0;
    x->name_looks = 0;
}

/* ---- the budget ---- */

bool forward_retry_begin(struct exchange *x)
{
    x->has_retry_place = x->has_retry_place || x->is_retry || group_retry_begin(x->upstream);
    x->is_retry = false;
    return x->has_retry_place;
}

void forward_retry_end(struct exchange *x)
{
    if (x->is_retry || x->has_retry_place)
        group_retry_end(x->upstream);
    x->is_retry = x->has_retry_place = false;
}

static enum turn try_next(struct exchange *x)
{
    x->fault = FAULT_NONE;
    x->must_be_new = false;
    return exchange_go(x, &step_pick);
}

/* The former connection closed or took nobody, so the same attempt goes on with another. */
static enum turn again_fresh(struct exchange *x)
{
    struct peer *same = group_pick_again(x->chosen, x->last_attempt->picked_ms);
    bool         is_retry = x->is_retry;

    x->is_retry = false;
    forward_done(x, false, false);
    forward_rewind(x);
    x->is_retry = is_retry;
    x->fault = FAULT_NONE;
    x->must_be_new = true;
    x->last_attempt->status = 0;   /* it is not over */
    x->last_attempt->connected_us = 0;
    x->chosen = same;
    return exchange_go(x, &step_connect);
}

/* What nobody was sent costs nobody anything. And whom a failure has taken out of service fails nobody
 * else: its requests go to the others as they would have if it had not been there. */
static bool is_free(struct peer *peer, bool was_sent, unsigned condition)
{
    return !was_sent || (condition == NEXT_ERROR && !group_is_in_service(peer));
}

static enum turn try_another(struct exchange *x, unsigned condition)
{
    enum { HOLD_MS = 250 };
    struct peer *left = peer_ref(x->chosen);
    bool         had_sent = was_sent(x), costs_nothing;

    forward_done(x, false, x->fault != FAULT_CONNECT_IN_VAIN);
    forward_rewind(x);
    costs_nothing = is_free(left, had_sent, condition);
    peer_unref(&left);
    if (costs_nothing)
        return try_next(x);
    x->hold_until_ms = loop_now_ms(x->loop) + HOLD_MS;
    return exchange_go(x, &step_hold);
}

static enum turn no_answer(struct exchange *x, unsigned condition, unsigned status)
{
    return caching_rescues(x, condition, status) ? TURN_NEXT : exchange_answer(x, status);
}

/* There is no answer yet, so a little time is given for other retries to end. */
static enum turn run_hold(struct exchange *x)
{
    enum { LOOK_MS = 10 };
    int64_t now_ms = loop_now_ms(x->loop);

    if (forward_retry_begin(x))
        return try_next(x);
    if (now_ms < x->hold_until_ms && is_in_time(x)) {
        timer_set(loop_timers(x->loop), &x->timer, now_ms + LOOK_MS);
        return TURN_WAIT;
    }
    group_note(x->upstream, GROUP_RETRY_REFUSED);
    exchange_log(x, LOG_WARN, "the retry budget is used up, no other upstream is tried");
    return no_answer(x, condition_of(fault_row(x->fault)), (unsigned)fault_row(x->fault)->status);
}

/* Nobody reachable is an error; anything else in the way of a connect() is worse, as nginx has it. */
static enum log_level connect_level(int error)
{
    return error == -ENETUNREACH || error == -EHOSTUNREACH || error == -ENETDOWN ||
                   error == -EHOSTDOWN || error == -ECONNRESET
               ? LOG_ERROR
               : LOG_CRIT;
}

static void say_why(struct exchange *x, const struct fault_row *row)
{
    int error = x->connector.error;

    if (x->fault == FAULT_CONNECT_FAILED && error < 0)
        exchange_log(x, connect_level(error),
                     "connect() to %.*s failed %s while connecting to upstream",
                     TEXT_ARGS(x->last_attempt->address), log_errno(-error).text);
    else if (x->fault == FAULT_TLS_HANDSHAKE && x->connector.words.len > 0)
        exchange_log(x, LOG_ERROR, "%.*s while SSL handshaking to upstream",
                     TEXT_ARGS(x->connector.words));
    else
        exchange_log(x, row->blame == BLAME_CLIENT ? LOG_INFO : LOG_ERROR, "%s", row->words);
}

static enum turn run_retry(struct exchange *x)
{
    const struct fault_row *row = fault_row(x->fault);
    unsigned                condition = condition_of(row);
    bool                    is_failure = row->blame == BLAME_PEER;

    if (x->last_attempt != NULL && x->last_attempt->status == 0 && row->blame != BLAME_CLIENT)
        x->last_attempt->status = (unsigned)row->status;
    if (row->retry == RETRY_REUSED && may_repeat_fresh(x))
        return again_fresh(x);
    if (row->retry == RETRY_REFUSED && may_ask_again(x))
        return again_fresh(x);
    say_why(x, row);
    if (x->hedge != NULL) {
        forward_done(x, false, is_failure);
        (void)hedge_take_over(x);
        return TURN_NEXT;
    }
    if (condition != 0 && forward_may_retry(x, condition))
        return try_another(x, condition);
    forward_done(x, false, is_failure);
    if (x->is_client_gone || x->is_head_sent) {
        x->status = x->status == 0 ? (unsigned)row->status : x->status;
        return exchange_go(x, &step_finish);
    }
    return no_answer(x, condition, (unsigned)row->status);
}

const struct step step_hold = { "hold", run_hold, GUARD_TIMER };
const struct step step_retry = { "retry", run_retry, GUARD_NONE };
