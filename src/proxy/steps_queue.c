// SPDX-License-Identifier: MIT
/* Waiting for a place: all usable peers have max_conns, and the upstream has a `queue`. The group hands
 * over what becomes free (balance/wait.c); a timer of our own bounds the wait. */
#include "balance/wait.h"
#include "proxy/steps.h"

static void queue_join(struct exchange *x)
{
    struct text key = template_eval(x->upstream->queue_key, &x->scope);

    x->queued_us = loop_now_us(x->loop);
    x->wait = wait_begin(x->upstream, &x->ask, key, x->loop, &x->task);
}

/* NGINX Plus answers 502 here. */
static enum turn refuse(struct exchange *x, const char *words)
{
    x->retry_after_s = wait_retry_after_s(x->upstream, loop_now_ms(x->loop));
    return forward_to_nobody(x, 503, words);
}

static enum turn run_queue(struct exchange *x)
{
    int64_t         now_ms = loop_now_ms(x->loop), look_ms = 0, picked_ms = 0;
    enum wait_state state;

    if (x->wait == NULL)
        queue_join(x);
    state = wait_poll(x->wait, now_ms, &look_ms);
    if (state == WAIT_QUEUED) {
        timer_set(loop_timers(x->loop), &x->timer, look_ms);
        return TURN_WAIT;
    }
    timer_stop(&x->timer);
    if (state == WAIT_GRANTED) {
        x->chosen = wait_take(&x->wait, &picked_ms);
        return forward_to_chosen(x, picked_ms);
    }
    wait_cancel(&x->wait);
    switch (state) {
    case WAIT_FULL:
        return refuse(x, "upstream queue is full while connecting to upstream");
    case WAIT_OVER:
        return refuse(x, "upstream queue timed out (110: Connection timed out) "
                         "while connecting to upstream");
    case WAIT_NOBODY:
    case WAIT_QUEUED:
    case WAIT_GRANTED:
        break;
    }
    return forward_to_nobody(x, 502, "no live upstreams while connecting to upstream");
}

const struct step step_queue = { "queue", run_queue, GUARD_TIMER };
