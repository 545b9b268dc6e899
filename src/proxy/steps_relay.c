// SPDX-License-Identifier: MIT
/* The step relay: the peer writes into a pipe of ours, and what the client shall have of it goes on into the
 * client's. */
#include "http/conditional.h"
#include "http/date.h"
#include "proxy/answer_head.h"
#include "proxy/file_copy.h"
#include "proxy/relay.h"
#include "proxy/shaped_head.h"
#include "proxy/steps.h"

struct relay {
    struct pipe       peer_body;
    struct file_copy *copy;              /* NULL: none, or no more */
    uint64_t          skip, left;        /* of the body: before what the client gets, and of that */
    int64_t           waiting_since_ms;  /* for the copy; 0: not */
};

enum { COPY_PATIENCE_MS = 10000 };       /* a disk that takes longer costs the copy, not the answer */

/* ---- is it due? ---- */

static bool may_be_cut(const struct exchange *x)
{
    return x->location->proxy.cache.is_forcing_ranges && x->request->method == METHOD_GET &&
           fields_find(&x->request->fields, FIELD_RANGE) != NULL;
}

static bool may_be_copied(const struct exchange *x)
{
    return x->location->proxy.cache.is_storing && x->request->method == METHOD_GET;
}

bool relay_may_be_due(const struct exchange *x)
{
    return may_be_cut(x) || may_be_copied(x);
}

/* Which part of this answer is asked for, if that can be told: several are not cut out of what flows by. */
static enum range_verdict range_of(const struct exchange *x, struct range_part *ret_part)
{
    const struct head *response = x->response;
    int64_t            now_s = loop_wall_ms(x->loop) / 1000;
    struct validators  validators;
    struct range_set   set = { .count = 0 };
    enum range_verdict verdict;

    if (!may_be_cut(x) || response->status != 200 || response->body != BODY_SIZED)
        return RANGE_IGNORED;
    validators_of(&response->fields, now_s, &validators);
    if (!conditional_may_range(&x->request->fields, &validators, now_s))
        return RANGE_IGNORED;
    verdict = range_judge(x->request->method, &x->request->fields, response->length, &set);
    if (verdict == RANGE_PARTS && set.count > 1)
        return RANGE_IGNORED;
    *ret_part = set.parts[0];
    return verdict;
}

static bool is_copied(const struct exchange *x)
{
    return may_be_copied(x) && x->response->status == 200;
}

bool relay_is_due(struct exchange *x)
{
    struct range_part part;

    return x->peer != NULL && (is_copied(x) || range_of(x, &part) != RANGE_IGNORED);
}

void relay_end(struct exchange *x)
{
    struct relay *relay = x->relay;

    if (relay == NULL)
        return;
    x->relay = NULL;
    if (relay->copy != NULL)
        file_copy_abandon(&relay->copy);
    pipe_done(&relay->peer_body);
}

/* ---- begin ---- */

static int64_t modified_s(const struct exchange *x)
{
    struct text value = fields_value(&x->response->fields, FIELD_LAST_MODIFIED);
    int64_t     at_s;

    return date_parse(value, loop_wall_ms(x->loop) / 1000, &at_s) == 0 ? at_s : -1;
}

static void begin_copy(struct exchange *x)
{
    const struct cache_policy *policy = &x->location->proxy.cache;
    struct text                path = template_eval(policy->store_path, &x->scope);

    if (file_copy_may_be(path))
        x->relay->copy =
            file_copy_begin(x->loop, &x->task, path, policy->store_mode, modified_s(x));
}

/* The peer's body goes through `relay` from now on. */
static void put_between(struct exchange *x)
{
    struct relay      *relay = ARENA_NEW(x->arena, struct relay);
    struct pipe_share *share = x->response_body.share;
    uint32_t           high = x->response_body.high;

    x->relay = relay;
    relay->left = UINT64_MAX;
    relay->peer_body = x->response_body;
    relay->peer_body.may_splice = false;
    x->peer->rx_body = &relay->peer_body;
    pipe_set_reader(&relay->peer_body, &x->task);
    pipe_init(&x->response_body, high);
    pipe_set_share(&x->response_body, share);
    pipe_set_writer(&x->response_body, &x->task);
}

static void make_head(struct exchange *x)
{
    struct head      *response = shaped_head_copy(x->arena, x->response);
    struct range_part part = { .len = 0 };

    switch (range_of(x, &part)) {
    case RANGE_PARTS:
        shaped_head_206(response);
        shaped_head_part(response, part, response->length);
        response->length = x->relay->left = part.len;
        x->relay->skip = part.first;
        break;
    case RANGE_UNSATISFIABLE:
        shaped_head_416(response, response->length);
        response->length = x->relay->left = 0;
        break;
    case RANGE_IGNORED:
        break;
    }
    answer_use_status(x, response);
    x->answer = answer_head_of(x, response, false);
    x->answer->status = x->status;
}

static void begin(struct exchange *x)
{
    put_between(x);
    if (is_copied(x))
        begin_copy(x);
    make_head(x);
    x->response_trailers = x->peer->rx_trailers;
    deliver_begin(x);
}

/* ---- flow ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* May the next bytes come? A disk that is slow stops them for a while. */
static bool may_move(struct exchange *x)
{
    struct relay *relay = x->relay;
    int64_t       now_ms = loop_now_ms(x->loop);

    if (relay->copy == NULL || file_copy_has_room(relay->copy)) {
        relay->waiting_since_ms = 0;
        return relay->left == 0 || pipe_room(&x->response_body) > 0;
    }
    if (relay->waiting_since_ms == 0)
        relay->waiting_since_ms = now_ms;
    if (now_ms - relay->waiting_since_ms < COPY_PATIENCE_MS) {
        timer_set(loop_timers(x->loop), &x->timer, relay->waiting_since_ms + COPY_PATIENCE_MS);
        return false;
    }
    exchange_log(x, LOG_ERROR, "the disk is too slow for a copy of the answer");
    file_copy_abandon(&relay->copy);
    return may_move(x);
}

/* Takes the slice: what the client shall have of it goes on. */
static void hand_on(struct exchange *x, struct slice slice)
{
    struct relay *relay = x->relay;
    uint32_t      from = (uint32_t)least(relay->skip, slice.len);
    uint32_t      len = (uint32_t)least(relay->left, slice.len - from);

    relay->skip -= from;
    if (len > 0)
        pipe_put(&x->response_body, slice_part(slice, from, len));
    if (relay->left != UINT64_MAX)
        relay->left -= len;
    if (relay->copy != NULL)
        file_copy_append(relay->copy, slice);
    else
        slice_unref(slice);
}

static void move(struct exchange *x)
{
    struct relay *relay = x->relay;

    while (pipe_has_data(&relay->peer_body) && may_move(x)) {
        size_t room = relay->left == 0 ? UINT32_MAX : pipe_room(&x->response_body);

        hand_on(x, pipe_take(&relay->peer_body, least(relay->skip, UINT32_MAX) + room));
    }
}

static void peer_is_done(struct exchange *x, bool may_keep)
{
    x->response_trailers = x->peer->rx_trailers;
    timer_stop(&x->timer);
    forward_done(x, may_keep, false);
    if (x->relay->copy != NULL)
        file_copy_finish(&x->relay->copy);
}

static enum turn cut(struct exchange *x, int fault)
{
    const struct fault_row *row = fault_row(fault);

    exchange_log(x, LOG_ERROR, "%s", row->words);
    x->fault = fault;
    forward_done(x, false, row->blame == BLAME_PEER);
    x->is_client_gone = true;
    x->client->ops->reset(x->client, fault);
    return exchange_go(x, &step_finish);
}

static void peer_side(struct exchange *x)
{
    struct relay *relay = x->relay;
    bool          is_drained, is_enough;

    move(x);
    is_drained = x->peer->is_rx_done && !pipe_has_data(&relay->peer_body);
    is_enough = relay->left == 0 && relay->copy == NULL;
    if ((is_drained || relay->left == 0) && !x->response_body.is_ended)
        pipe_end(&x->response_body);
    if (is_drained || is_enough)
        peer_is_done(x, is_drained && x->peer->is_tx_done);
}

static enum turn run_relay(struct exchange *x)
{
    struct stream *client = x->client;

    if (!x->is_head_sent)
        begin(x);
    if (x->peer != NULL)
        peer_side(x);
    if (x->peer != NULL && x->peer->fault != FAULT_NONE && !pipe_has_data(&x->relay->peer_body))
        return cut(x, x->peer->fault);
    if (client->tx_budget != BUDGET_NONE && !client->is_tx_done)
        pace(x);
    if (x->peer != NULL && x->peer->rx_budget != BUDGET_NONE)
        pace_peer(x);
    if (client->is_tx_done && (x->peer == NULL || client->fault != FAULT_NONE))
        return exchange_go(x, &step_finish);
    return TURN_WAIT;
}

const struct step step_relay = { "relay", run_relay, GUARD_BOTH };
