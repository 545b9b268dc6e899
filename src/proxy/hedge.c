// SPDX-License-Identifier: MIT
/* Two attempts at once. */
#include "proxy/hedge.h"

#include "balance/group.h"

enum { HEDGE_PERCENTILE = 95 };

/* An attempt in the wings: what of the exchange is of one attempt. */
struct hedge {
    const struct step *step;
    struct connector   connector;
    struct stream     *peer;
    struct attempt    *attempt;
    struct peer       *chosen;
    bool               must_be_new, is_retry;
    struct pipe        response_body;
};

/* ---- the change of places ---- */

static void rejoin(struct stream *peer, struct pipe *pipe)
{
    if (peer != NULL)
        peer->rx_body = pipe;
}

#define SWAP(type, a, b)      \
    do {                      \
        type swapped_ = (a);  \
        (a) = (b);            \
        (b) = swapped_;       \
    } while (0)

static void change_places(struct exchange *x)
{
    struct hedge *hedge = x->hedge;

    SWAP(const struct step *, x->step, hedge->step);
    SWAP(struct stream *, x->peer, hedge->peer);
    SWAP(struct attempt *, x->last_attempt, hedge->attempt);
    SWAP(struct peer *, x->chosen, hedge->chosen);
    SWAP(bool, x->must_be_new, hedge->must_be_new);
    SWAP(bool, x->is_retry, hedge->is_retry);
    SWAP(struct pipe, x->response_body, hedge->response_body);
    rejoin(x->peer, &x->response_body);
    rejoin(hedge->peer, &hedge->response_body);
    connector_swap(&x->connector, &hedge->connector);
}

/* ---- when ---- */

static bool may_hedge(const struct exchange *x)
{
    const struct proxy_policy *policy = &x->location->proxy;

    return policy->hedge_ms != 0 && x->upstream->sticky.kind == STICKY_OFF &&
           method_is_safe(x->request->method) && policy->method == NULL &&
           x->request->body == BODY_NONE && policy->body == NULL && x->request->upgrade.len == 0 &&
           (policy->next_tries == 0 || x->ask.tried_count < policy->next_tries);
}

static int64_t hedge_after_ms(const struct exchange *x)
{
    uint32_t after_ms = x->location->proxy.hedge_ms;
    int64_t  us;

    if (after_ms != HEDGE_BY_PERCENTILE)
        return after_ms;
    us = group_head_percentile_us(x->upstream, HEDGE_PERCENTILE);
    return us == 0 ? -1 : us / 1000 + 1;
}

void hedge_arm(struct exchange *x)
{
    int64_t after_ms = may_hedge(x) && x->hedge == NULL ? hedge_after_ms(x) : -1;

    x->hedge_due_ms = after_ms < 0 ? 0 : loop_now_ms(x->loop) + after_ms;
    if (x->hedge_due_ms > 0)
        timer_set(loop_timers(x->loop), &x->timer, x->hedge_due_ms);
}

void hedge_rearm(struct exchange *x)
{
    if (x->hedge != NULL)
        return;                          /* which may be connecting */
    if (x->hedge_due_ms > 0)
        timer_set(loop_timers(x->loop), &x->timer, x->hedge_due_ms);
    else
        timer_stop(&x->timer);
}

/* ---- the second attempt ---- */

/* A peer that is free, and a place in the retry budget; else the request stays with the first. */
static struct peer *choose(struct exchange *x)
{
    enum nobody  nobody;
    struct peer *peer;

    if (!group_retry_begin(x->upstream))
        return NULL;
    x->ask.now_ms = loop_now_ms(x->loop);
    peer = group_pick(x->upstream, &x->ask, &nobody);
    if (peer == NULL)
        group_retry_end(x->upstream);
    return peer;
}

static void hedge_begin(struct exchange *x)
{
    struct peer *peer = choose(x);

    if (peer == NULL)
        return;
    x->hedge = ARENA_NEW(x->arena, struct hedge);
    *x->hedge = (struct hedge){ .attempt = x->last_attempt, .step = x->step };
    pipe_init(&x->hedge->response_body, 1);
    change_places(x);
    x->chosen = peer;
    x->has_retry_place = true;
    (void)forward_to_chosen(x, x->ask.now_ms);
    change_places(x);
}

/* The one in the wings: on the stage for as long as it has something to do. */
static enum turn let_go_on(struct exchange *x)
{
    enum turn turn;

    change_places(x);
    x->is_hedge_turn = true;
    do
        turn = x->step->run(x);
    while (turn == TURN_NEXT && x->hedge != NULL);
    x->is_hedge_turn = false;
    if (x->hedge == NULL)
        return turn;
    change_places(x);
    return TURN_WAIT;
}

enum turn hedge_wait(struct exchange *x)
{
    if (x->is_hedge_turn)
        return TURN_WAIT;
    if (x->hedge_due_ms > 0 && x->hedge == NULL && loop_now_ms(x->loop) >= x->hedge_due_ms) {
        x->hedge_due_ms = 0;
        hedge_begin(x);
    }
    return x->hedge != NULL ? let_go_on(x) : TURN_WAIT;
}

void hedge_leave_share(struct exchange *x)
{
    if (x->hedge != NULL)
        pipe_set_share(&x->hedge->response_body, NULL);
}

bool hedge_take_over(struct exchange *x)
{
    if (x->hedge == NULL)
        return false;
    change_places(x);
    pipe_done(&x->hedge->response_body);
    x->hedge = NULL;
    x->fault = FAULT_NONE;
    return true;
}

void hedge_cancel(struct exchange *x)
{
    struct attempt *attempt;

    x->hedge_due_ms = 0;
    if (x->hedge == NULL)
        return;
    change_places(x);
    attempt = x->last_attempt;
    if (x->location->proxy.hedge_ms == HEDGE_BY_PERCENTILE)   /* it would have taken longer still */
        group_note_head(x->chosen, loop_now_us(x->loop) - attempt->started_us);
    forward_done(x, false, false);
    change_places(x);
    pipe_done(&x->hedge->response_body);
    x->hedge = NULL;
}
