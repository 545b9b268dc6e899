// SPDX-License-Identifier: MIT
/* The steps from an answer to the cache, and from there to clients.
 *
 * When the answer may be stored, a fill stands between the peer and its clients: the peer's body goes into it at the
 * peer's pace, and each client reads from it at its own (docs/decisions/0016). */
#include "cache/stored_head.h"
#include "proxy/answer_head.h"
#include "proxy/cache_rules.h"
#include "proxy/cached_answer.h"
#include "proxy/steps.h"

/* ---- store ---- */

static void give_up(struct caching *caching, enum fill_state state, unsigned status)
{
    if (caching->role != ROLE_LEADER)
        return;
    fill_give_up(caching->fill, state, status, loop_now_ms(caching->x->loop) + CACHING_PRIVATE_MS);
    caching_drop_fill(caching);
    cache_arrived(caching->cache, &caching->arrival);
}

/* As if there were no cache. */
static enum turn pass_on(struct exchange *x)
{
    give_up(x->caching, FILL_PRIVATE, 0);
    x->response_body.may_splice =
        x->location->proxy.limit_rate == 0 && stream_may_splice(x->client);
    return forward_answer(x);
}

/* The same origin, without conditions. */
static enum turn ask_again(struct exchange *x)
{
    object_unref(x->caching->stored);
    x->caching->stored = NULL;
    x->response = NULL;
    x->ask.tried_count = 0;
    return exchange_go(x, &step_pick);
}

/* A 304 to our own conditions: what is stored is good again. */
static enum turn renewed(struct exchange *x)
{
    struct caching *caching = x->caching;
    bool            may_keep = false;
    struct object  *object = rules_refreshed(caching, x->response, &may_keep);

    forward_done(x, true, false);
    if (object == NULL)                  /* it is about something else */
        return ask_again(x);
    if (may_keep) {
        caching->is_stored = cache_store(caching->cache, object);
        fill_finish_with(caching->fill, object);
        fill_unlist(caching->fill);
        caching_drop_fill(caching);
        cache_arrived(caching->cache, &caching->arrival);
    } else {                             /* good for this client only */
        rules_forget(caching);
        give_up(caching, FILL_PRIVATE, 0);
    }
    caching_replace_stored(caching, object);
    if (x->is_unattended)
        return finish_for_nobody(x);
    return caching_serve(x, CACHE_REVALIDATED);
}

/* The peer's body goes to the fill from now on. */
static void put_fill_between(struct exchange *x)
{
    struct caching *caching = x->caching;

    pipe_set_share(&x->response_body, NULL);   /* what is kept may outlive this client */
    caching->peer_body = x->response_body;
    caching->peer_body.may_splice = false;
    x->peer->rx_body = &caching->peer_body;
    pipe_set_reader(&caching->peer_body, &x->task);
    pipe_init(&x->response_body, OBJECT_SLICE_BYTES * 2);
    fill_lead(caching->fill, x->loop, &x->task);
}

static uint64_t length_of(const struct head *response)
{
    if (response->body == BODY_NONE)
        return 0;
    return response->body == BODY_SIZED ? response->length : FILL_LENGTH_UNKNOWN;
}

/* An answer that was not to be one for others and turns out to be. */
static void lead_from_now_on(struct caching *caching)
{
    cache_arrive(caching->cache, &caching->key, &caching->arrival);
    caching->serial = cache_next_serial(caching->cache);
    caching->fill = fill_new_alone();
    fill_set_serial(caching->fill, caching->serial);
    caching->role = ROLE_LEADER;
}

static enum turn run_store(struct exchange *x)
{
    struct caching *caching = x->caching;
    struct object  *skeleton;
    bool            is_shared = false;

    caching->fwd_status = x->response->status;
    if (caching->role != ROLE_LEADER) {
        rules_learn(caching, x->response);
        if (!rules_may_serve_gets(caching, x->response))
            return pass_on(x);
        lead_from_now_on(caching);       /* behind what it has made invalid */
    }
    if (caching->is_validating && x->response->status == 304)
        return renewed(x);
    if (caching_rescues(x, next_condition(x->response->status), x->response->status))
        return TURN_NEXT;
    skeleton = rules_object(caching, x->response, &is_shared);
    if (skeleton == NULL)
        return pass_on(x);
    if (!is_shared) {                    /* to be stored, but nobody may have it unasked */
        fill_give_up(caching->fill, FILL_PRIVATE, 0, loop_now_ms(x->loop) + CACHING_PRIVATE_MS);
        caching_drop_fill(caching);
        caching->fill = fill_new_alone();
        caching->role = ROLE_LEADER;
    }
    fill_head(caching->fill, skeleton, length_of(x->response), cache_object_max(caching->cache),
              cache_disk(caching->cache));
    caching->is_stored = true;
    put_fill_between(x);
    return exchange_go(x, &step_fill);
}

/* ---- fill ---- */

/* As much as has come and may go at once. False: there is no memory for it. */
static bool pump_some(struct exchange *x, size_t *ret_moved)
{
    struct caching *caching = x->caching;
    struct pipe    *pipe = &caching->peer_body;
    struct iovec    iov[PIPE_SLICES];
    size_t          room = fill_room(caching->fill), len = 0;
    int             n = room > 0 ? pipe_peek(pipe, iov, PIPE_SLICES) : 0;

    for (int i = 0; i < n && len < room; i++) {
        size_t some = iov[i].iov_len < room - len ? iov[i].iov_len : room - len;

        if (!fill_append(caching->fill, text_of(iov[i].iov_base, some)))
            return false;
        len += some;
    }
    if (len > 0)
        pipe_drop(pipe, len);
    *ret_moved = len;
    return true;
}

/* From the peer into the fill, until one of them promises to wake us. */
static bool pump(struct exchange *x)
{
    size_t moved;

    do
        if (!pump_some(x, &moved))
            return false;
    while (moved > 0);
    return true;
}

static void peer_is_done(struct exchange *x)
{
    fill_end(x->caching->fill);
    x->response_trailers = x->peer->rx_trailers;
    forward_done(x, x->peer->is_tx_done, false);
}

/* Into the cache, as soon as a large body is on its disk. */
static void commit(struct exchange *x)
{
    struct caching *caching = x->caching;
    struct object  *object = NULL;

    if (!fill_commit(caching->fill, &object))
        return;
    if (object != NULL) {
        (void)cache_store(caching->cache, object);
        object_unref(object);
    }
    fill_unlist(caching->fill);
    caching->role = ROLE_NONE;
    cache_arrived(caching->cache, &caching->arrival);
}

static void fail_fill(struct exchange *x, int fault)
{
    const struct fault_row *row = fault_row(fault);

    exchange_log(x, LOG_ERROR, "%s", row->words);
    x->fault = fault;
    fill_give_up(x->caching->fill, FILL_FAILED, (unsigned)row->status, 0);
    x->caching->role = ROLE_NONE;
    cache_arrived(x->caching->cache, &x->caching->arrival);
    forward_done(x, false, row->blame == BLAME_PEER);
}

/* error_page speaks in its place. */
static bool is_replaced(const struct exchange *x)
{
    return !x->is_head_sent && answer_is_intercepted(x, x->response->status);
}

/* Nothing will be kept, and nobody reads. */
static bool is_in_vain(struct exchange *x)
{
    return (x->is_unattended || is_replaced(x)) && x->peer != NULL && !fill_is_kept(x->caching->fill) &&
           !fill_has_followers(x->caching->fill);
}

static void peer_side(struct exchange *x)
{
    struct stream *peer = x->peer;

    if (!pump(x))
        fail_fill(x, FAULT_NO_BUFFERS);
    else if (peer->is_rx_done && !pipe_has_data(&x->caching->peer_body))
        peer_is_done(x);
    else if (peer->fault != FAULT_NONE)
        fail_fill(x, peer->fault);
    else if (is_in_vain(x)) {
        fill_give_up(x->caching->fill, FILL_FAILED, 0, 0);
        x->caching->role = ROLE_NONE;
        cache_arrived(x->caching->cache, &x->caching->arrival);
        forward_done(x, false, false);
    }
}

static enum turn cut_client(struct exchange *x)
{
    x->is_client_gone = true;
    x->client->ops->reset(x->client, x->fault);
    return exchange_go(x, &step_finish);
}

/* The answer goes into the cache, whole; its client waits for that, and gets the page then. */
static enum turn fill_for_others(struct exchange *x)
{
    if (x->peer != NULL)
        peer_side(x);
    if (x->peer == NULL && x->caching->role == ROLE_LEADER)
        commit(x);
    if (x->peer != NULL && x->peer->rx_budget != BUDGET_NONE)
        pace_peer(x);
    if (x->peer != NULL || x->caching->role == ROLE_LEADER)
        return TURN_WAIT;
    x->fault = FAULT_NONE;
    return exchange_answer(x, x->response->status);
}

static enum turn run_fill(struct exchange *x)
{
    struct stream *client = x->client;

    if (!x->is_unattended && is_replaced(x))
        return fill_for_others(x);
    if (!x->is_head_sent && !x->is_unattended)
        cached_answer_begin(x);
    if (x->peer != NULL)
        peer_side(x);
    if (x->peer == NULL && x->caching->role == ROLE_LEADER)
        commit(x);
    if (x->peer == NULL && x->fault != FAULT_NONE && !client->is_tx_done)
        return cut_client(x);
    if (client->tx_budget != BUDGET_NONE && !client->is_tx_done)
        pace(x);
    if (x->peer != NULL && x->peer->rx_budget != BUDGET_NONE)
        pace_peer(x);
    if (!client->is_tx_done)
        return TURN_WAIT;
    if (x->caching->role != ROLE_LEADER)
        return exchange_go(x, &step_finish);
    if (!x->is_unattended)
        exchange_leave_client(x);
    return TURN_WAIT;
}

/* ---- serve ---- */

static bool is_stored_replaced(struct exchange *x)
{
    struct head *head;

    if (x->is_head_sent || !x->location->proxy.is_intercepting_errors)
        return false;
    head = ARENA_NEW(x->arena, struct head);
    must(stored_head_unpack(object_head(x->caching->stored), x->arena, head) == 0);
    x->response = head;
    return is_replaced(x);
}

static enum turn answer_instead(struct exchange *x)
{
    if (x->caching->fill != NULL)
        caching_drop_fill(x->caching);
    return exchange_answer(x, x->response->status);
}

static enum turn run_serve(struct exchange *x)
{
    struct stream *client = x->client;

    if (is_stored_replaced(x))
        return answer_instead(x);
    if (!x->is_head_sent)
        cached_answer_begin(x);
    if (client->tx_budget != BUDGET_NONE && !client->is_tx_done)
        pace(x);
    if (x->response_body.fault != FAULT_NONE && !client->is_tx_done) {
        exchange_log(x, LOG_ERROR, "%s", fault_row(x->response_body.fault)->words);
        x->fault = x->response_body.fault;
        return cut_client(x);
    }
    return client->is_tx_done ? exchange_go(x, &step_finish) : TURN_WAIT;
}

const struct step step_store = { "store", run_store, GUARD_NONE };
const struct step step_fill = { "fill", run_fill, GUARD_BOTH };
const struct step step_serve = { "serve", run_serve, GUARD_BOTH };
