// SPDX-License-Identifier: MIT
/* After 101: two pipes and nothing else, until both ends are done or nothing moves for
 * proxy_read_timeout. */
#include "proxy/answer_head.h"
#include "proxy/steps.h"

enum { TUNNEL_PIPE_BYTES = 64 * 1024 };

static void arm(struct exchange *x)
{
    timer_set(loop_timers(x->loop), &x->timer,
              loop_now_ms(x->loop) + x->location->proxy.read_timeout_ms);
}

static uint64_t moved(const struct exchange *x)
{
    return x->request_body.total_in + x->request_body.total_out + x->response_body.total_in +
           x->response_body.total_out;
}

static void tunnel_begin(struct exchange *x)
{
    struct stream *client = x->client, *peer = x->peer;

    x->is_tunnel = true;
    x->answer = answer_head_from_peer(x);
    x->answer->upgrade = arena_copy(
        x->arena, x->response->upgrade.len > 0 ? x->response->upgrade : peer->tx_head->upgrade);
    pipe_done(&x->request_body);
    pipe_init(&x->request_body, TUNNEL_PIPE_BYTES);
    pipe_set_writer(&x->request_body, &client->task);
    pipe_set_writer(&x->response_body, &peer->task);
    client->rx_body = peer->tx_body = &x->request_body;
    client->rx_most = 0;
    peer->rx_body = &x->response_body;
    x->answer->body = BODY_NONE;
    deliver_begin(x);
    pipe_set_reader(&x->request_body, &peer->task);
    client->ops->tunnel(client);
    peer->ops->tunnel(peer);
    x->tunnel_moved = moved(x);
    arm(x);
}

static enum turn tunnel_end(struct exchange *x)
{
    forward_done(x, false, false);
    x->is_client_gone = true;
    x->client->ops->reset(x->client, FAULT_CLIENT_GONE);
    return exchange_go(x, &step_finish);
}

static enum turn run_tunnel(struct exchange *x)
{
    if (!x->is_tunnel)
        tunnel_begin(x);
    if (x->peer->fault != FAULT_NONE || x->client->fault != FAULT_NONE)
        return tunnel_end(x);
    if (pipe_is_finished(&x->request_body) && pipe_is_finished(&x->response_body))
        return tunnel_end(x);
    if (moved(x) != x->tunnel_moved) {
        x->tunnel_moved = moved(x);
        arm(x);
    } else if (x->timer.deadline_ms == TIMER_OFF) {
        exchange_log(x, LOG_ERROR,
                     "upstream timed out (110: Connection timed out) while proxying "
                     "upgraded connection");
        return tunnel_end(x);
    }
    return TURN_WAIT;
}

const struct step step_tunnel = { "tunnel", run_tunnel, GUARD_TIMER };
