// SPDX-License-Identifier: MIT
/* From the choice of a peer to the first line of its answer. */
#include <string.h>

#include "balance/patience.h"
#include "balance/peer_conn.h"
#include "http/codec.h"
#include "http/uri.h"
#include "proxy/answer_head.h"
#include "proxy/caching.h"
#include "proxy/client.h"
#include "proxy/forward_head.h"
#include "proxy/hedge.h"
#include "proxy/relay.h"
#include "proxy/steps.h"
#include "proxy/sticky.h"
#include "proxy/trailers.h"

enum {
    RESPONSE_PIPE_LEAST = 64 * 1024,
    RESPONSE_PIPE_MOST = 16 * 1024 * 1024,
    NAME_LOOK_DOUBLINGS = 4,
    VERSION_2 = 20,
    STATUS_EARLY_HINTS = 103
};

/* ---- pick ---- */

static struct attempt *attempt_new(struct exchange *x, struct text address)
{
    struct attempt *attempt = ARENA_NEW(x->arena, struct attempt), **end;

    attempt->address = address;
    attempt->started_us = loop_now_us(x->loop);
    attempt->queued_us = x->queued_us;
    x->queued_us = 0;
    attempt->is_redirect = x->is_new_round;
    x->is_new_round = false;
    for (end = &x->attempts; *end != NULL; end = &(*end)->next)
        ;
    *end = attempt;
    x->last_attempt = attempt;
    x->attempt_count++;
    return attempt;
}

enum turn forward_to_nobody(struct exchange *x, unsigned status, const char *words)
{
    attempt_new(x, x->upstream->name)->status = status;
    x->last_attempt->done_us = loop_now_us(x->loop);
    forward_retry_end(x);
    exchange_log(x, LOG_ERROR, "%s", words);
    return caching_rescues(x, NEXT_ERROR, status) ? TURN_NEXT : exchange_answer(x, status);
}

/* The group's queue is that of the newest configuration: ours may know of none. */
static enum turn nobody_to_ask(struct exchange *x, enum nobody why)
{
    if (why == NOBODY_FREE && x->upstream->queue_key != NULL)
        return exchange_go(x, &step_queue);
    if (why == NOBODY_LIVE || why == NOBODY_FREE)
        return forward_to_nobody(x, 502, "no live upstreams while connecting to upstream");
    return forward_to_nobody(x, 502,
                             arena_string(x->arena, arena_format(x->arena,
                                                                 "host not found in upstream "
                                                                 "\"%.*s\"",
                                                                 TEXT_ARGS(x->upstream->name))));
}

enum turn forward_to_chosen(struct exchange *x, int64_t picked_ms)
{
    attempt_new(x, arena_copy(x->arena, x->chosen->name))->picked_ms = picked_ms;
    x->last_server = text_is_equal(x->chosen->server, x->chosen->name)
                         ? x->last_attempt->address
                         : arena_copy(x->arena, x->chosen->server);
    if (sticky_is_on(x))
        sticky_chosen(x);
    x->is_retry = x->has_retry_place;
    x->has_retry_place = false;
    if (x->ask.tried_count > 0)
        group_note(x->upstream, x->hedge != NULL ? GROUP_HEDGED : GROUP_RETRIED);
    if (x->ask.tried_count < PICK_TRIED_MOST)
        x->ask.tried[x->ask.tried_count] = x->chosen;
    x->ask.tried_count++;
    if (x->location->proxy.hedge_ms != 0)
        hedge_arm(x);
    return exchange_go(x, &step_connect);
}

/* Its name is being looked up, as just after a start: looks again soon, since most name servers are near,
 * then every 16 ms, for as long as a connection may take. */
static bool may_wait_for_name(struct exchange *x)
{
    int64_t now_ms = loop_now_ms(x->loop);

    if (x->name_wait_ms == 0)
        x->name_wait_ms = now_ms + x->location->proxy.connect_timeout_ms;
    if (now_ms >= x->name_wait_ms)
        return false;
    timer_set(loop_timers(x->loop), &x->timer, now_ms + (INT64_C(1) << x->name_looks));
    if (x->name_looks < NAME_LOOK_DOUBLINGS)
        x->name_looks++;
    return true;
}

/* What the method wants to know, once for all tries of a request. */
static void ask_fill(struct exchange *x)
{
    const struct balance *balance = &x->upstream->balance;

    x->ask.now_ms = loop_now_ms(x->loop);
    if (x->ask.tried_count > 0)
        return;
    if (balance->key != NULL)
        x->ask.key = template_eval(balance->key, &x->scope);
    if (balance->method == BALANCE_IP_HASH)
        x->ask.client = exchange_remote(x);
    x->ask.bound = TEXT_NONE;
    if (sticky_is_on(x))
        sticky_ask(x);
}

static enum turn run_pick(struct exchange *x)
{
    const struct pass *pass = x->location->proxy.pass;
    enum nobody        nobody = NOBODY_LIVE;

    if (pass->upstream != NULL) {
        x->upstream = pass->upstream;
        x->upstream_host = pass->host;
        x->upstream_port = pass->port;
        x->is_upstream_tls = pass->is_tls;
    }
    ask_fill(x);
    x->chosen = group_pick(x->upstream, &x->ask, &nobody);
    if (x->chosen == NULL && nobody == NOBODY_ASKING && may_wait_for_name(x))
        return TURN_WAIT;
    if (x->chosen == NULL)
        return nobody_to_ask(x, nobody);
    return forward_to_chosen(x, x->ask.now_ms);
}

/* ---- connect ---- */

/* proxy_send_proxy_protocol: the connection is this client's from its first byte to its last, so it
 * carries nobody else's request. */
static struct text introduction(struct exchange *x)
{
    enum proxy_protocol_version version = x->location->proxy.proxy_protocol;
    struct writer               writer;

    if (version == PROXY_PROTOCOL_OFF)
        return TEXT("");
    writer = writer_arena(x->arena, PROXY_PROTOCOL_WRITE_MOST);
    proxy_protocol_write(&writer, version, exchange_remote(x), exchange_local(x));
    return writer_done(&writer);
}

static struct address *bind_of(struct exchange *x)
{
    const struct template *bind = x->location->proxy.bind;
    struct address        *address;

    if (bind == NULL)
        return NULL;
    address = ARENA_NEW(x->arena, struct address);
    return address_parse_ip_port(template_eval(bind, &x->scope), address) == 0 ? address : NULL;
}

static struct conn_timeouts timeouts_of(const struct proxy_policy *policy)
{
    return (struct conn_timeouts){ .waits_ms = { [CONN_WAIT_HEAD] = policy->read_timeout_ms,
                                                 [CONN_WAIT_BODY] = policy->read_timeout_ms },
                                   .send_ms = policy->send_timeout_ms };
}

/* proxy_ssl_name, or the host of proxy_pass, without its port. */
static struct text name_wanted(struct exchange *x)
{
    const struct template *name = x->location->proxy.tls_policy.name;
    struct text            host, wanted = x->upstream_host;
    int                    port;

    if (name != NULL)
        return template_eval(name, &x->scope);
    return uri_host_parse(wanted, &host, &port) == 0 ? host : wanted;
}

static void ask_for_tls(struct exchange *x, struct line_ask *ask)
{
    const struct proxy_policy *policy = &x->location->proxy;
    const struct tls_pair     *pair = policy->tls_policy.pair;

    if (!x->is_upstream_tls)
        return;
    ask->tls = policy->tls;
    ask->tls_name = name_wanted(x);
    if (pair == NULL)
        return;
    if (pair->certificate_template != NULL)
        ask->tls_certificate = template_eval(pair->certificate_template, &x->scope);
    if (pair->key_template != NULL)
        ask->tls_key = template_eval(pair->key_template, &x->scope);
}

static struct connector_ask ask_of(struct exchange *x)
{
    const struct proxy_policy *policy = &x->location->proxy;
    struct connector_ask       ask;

    ask = (struct connector_ask){
        .upstream = x->upstream,
        .peer = x->chosen,
        .arena = x->arena,
        .line = { .bind_to = bind_of(x),
                  .introduction = introduction(x),
                  .timeouts = timeouts_of(policy),
                  .connect_timeout_ms = policy->connect_timeout_ms,
                  .is_http2 = policy->http_version >= VERSION_2,
                  .must_be_http2 = policy->is_grpc,
                  .has_socket_keepalive = policy->has_socket_keepalive },
        .limits = { .line_bytes = (uint32_t)policy->buffer_size,
                    .field_bytes = (uint32_t)policy->buffer_size,
                    .head_bytes = (uint32_t)policy->buffer_size,
                    .fields = 1000 },
        .must_be_new = x->must_be_new,
    };
    ask_for_tls(x, &ask.line);
    return ask;
}

/* When there is no room for it, clients that rest make some. */
static void connect_begin(struct exchange *x)
{
    struct connector_ask ask = ask_of(x);
    int                  fault = FAULT_NONE;

    connector_start(&x->connector, &ask, x->loop, &x->task);
    if (connector_poll(&x->connector, &fault) == CONNECTOR_FAILED &&
        (fault == FAULT_NO_DESCRIPTORS || fault == FAULT_NO_CONNECTIONS) &&
        client_make_room(x->client_conn))
        connector_start(&x->connector, &ask, x->loop, &x->task);
}

/* Others may find out sooner than we that nobody is there. */
static bool is_in_vain(struct exchange *x)
{
    enum { LOOK_MS = 250 };
    const struct attempt *attempt = x->last_attempt;
    int64_t               now_ms = loop_now_ms(x->loop), look_ms = now_ms + LOOK_MS;

    if (loop_now_us(x->loop) - attempt->started_us >= LOOK_MS * 1000 &&
        group_is_lost(x->chosen, attempt->picked_ms))
        return true;
    if (x->hedge == NULL && x->hedge_due_ms > 0 && x->hedge_due_ms < look_ms)
        look_ms = x->hedge_due_ms;
    timer_set(loop_timers(x->loop), &x->timer, look_ms);
    return false;
}

static enum turn run_connect(struct exchange *x)
{
    int fault = FAULT_NONE;

    if (x->connector.state == CONNECTOR_NONE)
        connect_begin(x);
    switch (connector_poll(&x->connector, &fault)) {
    case CONNECTOR_NONE:
    case CONNECTOR_WAITING:
        return is_in_vain(x) ? exchange_fail(x, FAULT_CONNECT_IN_VAIN) : hedge_wait(x);
    case CONNECTOR_FAILED:
        return exchange_fail(x, fault);
    case CONNECTOR_READY:
        break;
    }
    x->last_attempt->connected_us = loop_now_us(x->loop);
    hedge_rearm(x);
    return exchange_go(x, &step_send);
}

/* ---- send ---- */

/* proxy_set_body: a body of our own for each attempt. */
static struct pipe *own_body(struct exchange *x, struct text text)
{
    struct pipe *pipe = ARENA_NEW(x->arena, struct pipe);

    pipe_init(pipe, (uint32_t)text.len + 1);
    if (text.len > 0)
        pipe_put(pipe, slice_copy(text));
    pipe_end(pipe);
    arena_defer(x->arena, (void (*)(void *))pipe_done, pipe);
    return pipe;
}

/* Where the answer goes straight to the client, as it is and as fast as may be. With a cache that is known
 * when it comes. */
static bool may_splice(const struct exchange *x, const struct stream *peer)
{
    return stream_may_splice(x->client) && stream_may_splice(peer) &&
           x->location->proxy.limit_rate == 0 && x->parent == NULL && x->caching == NULL &&
           !relay_may_be_due(x);
}

static uint32_t response_bytes(const struct exchange *x)
{
    const struct proxy_policy *policy = &x->location->proxy;
    uint64_t                   high = policy->buffers_count * policy->buffers_size;

    high = high < RESPONSE_PIPE_LEAST ? RESPONSE_PIPE_LEAST : high;
    return high < RESPONSE_PIPE_MOST ? (uint32_t)high : RESPONSE_PIPE_MOST;
}

static void join(struct exchange *x, struct stream *peer)
{
    const struct proxy_policy *policy = &x->location->proxy;
    struct text                body = forward_body(x);

    pipe_done(&x->response_body);
    pipe_init(&x->response_body, response_bytes(x));
    pipe_set_share(&x->response_body, exchange_share(x));
    x->response_body.may_splice = may_splice(x, peer);
    peer->rx_budget = policy->limit_rate > 0 ? policy->limit_rate / 10 + 1 : BUDGET_NONE;
    pipe_set_writer(&x->response_body, &peer->task);
    peer->rx_body = &x->response_body;
    if (body.ptr != NULL) {
        peer->tx_body = own_body(x, body);
    } else if (peer->tx_head->body != BODY_NONE) {
        /* What is not whole by now cannot be sent twice, so it need not be kept; but a stream may be refused
         * after its first bytes. */
        if (!x->request_body.is_ended && !stream_shares_conn(peer)) {
            pipe_forget(&x->request_body);
            x->request_body.may_splice = stream_may_splice(peer);
        }
        peer->tx_body = &x->request_body;
    }
    if (peer->tx_body != NULL)
        pipe_set_reader(peer->tx_body, &peer->task);
}

static enum turn run_send(struct exchange *x)
{
    struct stream *peer;
    struct head   *head = forward_head_build(x);

    if (head == NULL)
        return exchange_fail(x, x->fault);
    if (x->connector.peer_conn == NULL || x->connector.peer_conn->line.conn->is_closed)   /* meanwhile */
        return exchange_fail(x, FAULT_REUSED_CLOSED);
    peer = connector_stream(&x->connector);
    if (peer == NULL)
        return exchange_fail(x, FAULT_PEER_REFUSED);
    x->peer = peer;
    peer->ops->use(peer, &x->connector.ask.line.timeouts);
    peer->owner = &x->task;
    peer->arena = x->arena;
    peer->tx_head = head;
    if (x->location->proxy.proxy_protocol != PROXY_PROTOCOL_OFF)
        head->may_persist = false;
    if (x->upstream->keepalive == 0 && !stream_shares_conn(peer))
        peer->is_last = true;
    join(x, peer);
    trailers_await_request(x, peer);
    peer->ops->send(peer);
    return exchange_go(x, &step_await_head);
}

/* ---- what the peer's group learns ---- */

static int64_t since_choice(const struct attempt *attempt, int64_t then_us)
{
    return then_us > attempt->started_us ? then_us - attempt->started_us : then_us > 0;
}

/* How long a whole answer took is not known of a part. */
static struct ending ending_of(const struct attempt *attempt, bool is_whole, bool is_failure)
{
    return (struct ending){ .is_failure = is_failure,
                             .is_unreached = attempt->connected_us == 0,
                             .status = attempt->head_us > 0 ? attempt->status : 0,
                             .head_us = since_choice(attempt, attempt->head_us),
                             .whole_us = is_whole ? since_choice(attempt, attempt->done_us) : 0,
                             .picked_ms = attempt->picked_ms };
}

/* ---- await_head ---- */

unsigned next_condition(unsigned status)
{
    switch (status) {
    case 500: return NEXT_500;
    case 502: return NEXT_502;
    case 503: return NEXT_503;
    case 504: return NEXT_504;
    case 403: return NEXT_403;
    case 404: return NEXT_404;
    case 429: return NEXT_429;
    default:  return 0;
    }
}

/* Not every client bears a 103 that it did not ask for. */
static bool may_pass_interim(struct exchange *x, const struct head *interim)
{
    return interim->status != STATUS_EARLY_HINTS ||
           template_is_any_true(x->location->early_hints, &x->scope);
}

static void pass_interim(struct exchange *x)
{
    struct stream *peer = x->peer;
    struct head   *interim = peer->rx_interim, *head = NULL;

    peer->rx_interim = NULL;
    if (may_pass_interim(x, interim))
        head = answer_head_interim(x, interim);
    if (head != NULL)
        x->client->ops->send_interim(x->client, head);
    task_wake(&peer->task, WAKE_ROOM);
}

/* An answer that stands in for the peer's: its body is not wanted. */
static enum turn replace_answer(struct exchange *x, unsigned status)
{
    forward_done(x, false, false);
    return exchange_answer(x, status);
}

/* Said once on a connection, it is not asked for again. */
static void note_patience(struct exchange *x, const struct head *head)
{
    if (x->connector.peer_conn != NULL && x->connector.peer_conn->served == 1)
        patience_note_said(x->chosen, fields_value(&head->fields, FIELD_KEEP_ALIVE),
                           loop_now_ms(x->loop));
}

static void tell_head(const struct exchange *x)
{
    struct ending ending = ending_of(x->last_attempt, false, false);

    group_head(x->chosen, &ending);
    if (x->location->proxy.hedge_ms == HEDGE_BY_PERCENTILE)
        group_note_head(x->chosen, ending.head_us);
}

/* Another attempt is under way already, and may have a better answer. */
static enum turn leave_it_to_the_other(struct exchange *x, unsigned condition)
{
    exchange_log(x, LOG_WARN, "upstream answered %u, another is asked already",
                 x->response->status);
    x->response = NULL;
    forward_done(x, false, (condition & (NEXT_403 | NEXT_404)) == 0);
    (void)hedge_take_over(x);
    return TURN_NEXT;
}

static enum turn try_another_for(struct exchange *x, unsigned condition)
{
    exchange_log(x, LOG_WARN, "upstream answered %u, another is tried", x->response->status);
    x->response = NULL;
    forward_done(x, false, (condition & (NEXT_403 | NEXT_404)) == 0);
    forward_rewind(x);
    return exchange_go(x, &step_pick);
}

enum turn forward_answer(struct exchange *x)
{
    if (x->is_unattended) {              /* and nothing is stored: it would wait for a reader */
        forward_done(x, false, false);
        return finish_for_nobody(x);
    }
    if (answer_is_intercepted(x, x->response->status))
        return replace_answer(x, x->response->status);
    return exchange_go(x, relay_is_due(x) ? &step_relay : &step_deliver);
}

static enum turn judge_head(struct exchange *x)
{
    struct head *head = x->peer->rx_head;
    unsigned     condition = next_condition(head->status);

    note_patience(x, head);
    x->last_attempt->head_us = loop_now_us(x->loop);
    x->last_attempt->status = head->status;
    x->response = head;
    tell_head(x);
    if (x->hedge != NULL && (x->location->proxy.next_upstream & condition))
        return leave_it_to_the_other(x, condition);
    hedge_cancel(x);
    if (condition != 0 && forward_may_retry(x, condition)) {
        if (forward_retry_begin(x))
            return try_another_for(x, condition);
        group_note(x->upstream, GROUP_RETRY_REFUSED);
        exchange_log(x, LOG_WARN, "the retry budget is used up, upstream's %u is the answer",
                     head->status);
    }
    if (sticky_is_on(x))
        sticky_answered(x, true);
    if (head->status == 101)
        return exchange_go(x, &step_tunnel);
    if (!(x->location->proxy.ignore_headers & IGNORE_ACCEL_REDIRECT)) {
        struct text uri = fields_value(&head->fields, FIELD_X_ACCEL_REDIRECT);

        if (uri.len > 0) {
            struct text type = fields_value(&head->fields, FIELD_CONTENT_TYPE);

            x->kept_fields = answer_keep_fields(x);
            forward_done(x, false, false);
            caching_share_nothing(x);
            if (x->is_unattended)
                return finish_for_nobody(x);
            forward_anew(x, uri);
            x->answer_type = type;
            return redirect_internally(x, uri);
        }
    }
    return x->caching != NULL ? exchange_go(x, &step_store) : forward_answer(x);
}

static enum turn run_await_head(struct exchange *x)
{
    struct stream *peer = x->peer;

    if (peer->rx_interim != NULL)
        pass_interim(x);
    /* A malformed body right behind the head is an answer that the client need see nothing of. */
    if (peer->rx_head != NULL && peer->fault != FAULT_BAD_PEER_CHUNK)
        return judge_head(x);
    if (peer->fault != FAULT_NONE)
        return exchange_fail(x, peer->fault);
    return hedge_wait(x);
}

/* ---- the end of an attempt ---- */

static void note_figures(struct exchange *x)
{
    struct attempt *attempt = x->last_attempt;
    struct stream  *peer = x->peer;

    attempt->done_us = loop_now_us(x->loop);
    if (peer == NULL)
        return;
    attempt->bytes_sent = peer->tx_bytes;
    attempt->bytes_received = peer->rx_bytes;
    attempt->body_bytes = x->is_head_sent ? peer->rx_body->total_in : 0;   /* else nobody's */
}

void forward_done(struct exchange *x, bool may_keep, bool is_failure)
{
    struct stream *peer = x->peer;
    struct ending ending;
    bool           is_whole = peer != NULL && peer->is_rx_done, is_now_down = false;

    note_figures(x);
    if (peer != NULL) {
        x->peer = NULL;
        if (peer->tx_body != NULL)
            pipe_set_reader(peer->tx_body, NULL);
        pipe_set_writer(peer->rx_body, NULL);
        peer->ops->release(peer);
    }
    connector_release(&x->connector, x->loop, may_keep);
    if (x->chosen == NULL)
        return;
    if (!is_failure && sticky_is_on(x))
        sticky_answered(x, false);
    if (x->is_retry)
        group_retry_end(x->upstream);
    x->is_retry = false;
    struct text name = x->last_attempt->address;
    ending = ending_of(x->last_attempt, is_whole, is_failure);
    group_done(&x->chosen, &ending, &is_now_down);
    if (is_now_down)
        exchange_log(x, LOG_WARN, "upstream server temporarily disabled: %.*s", TEXT_ARGS(name));
}

void forward_abandon(struct exchange *x)
{
    forward_done(x, false, false);
}

const struct step step_pick = { "pick", run_pick, GUARD_TIMER };
const struct step step_connect = { "connect", run_connect, GUARD_TIMER };
const struct step step_send = { "send", run_send, GUARD_NONE };
const struct step step_await_head = { "await_head", run_await_head, GUARD_BOTH };
