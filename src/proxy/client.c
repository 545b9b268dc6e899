// SPDX-License-Identifier: MIT
/* A client's life: it comes in, rests and is parked, speaks again, is told to go, ends. */
#include "proxy/client.h"

#include "base/pool.h"
#include "http/h1_codec.h"
#include "http/h2_codec.h"
#include "net/socket.h"
#include "net/tally.h"
#include "proxy/exchange.h"
#include "proxy/front_parts.h"
#include "proxy/nobody.h"
#include "proxy/opening.h"
#include "proxy/preface.h"

enum {
    PARK_MS = 500,              /* of rest after an answer, then conn and codec are given back */
    DRAIN_FRESH_MS = 1000,      /* for the first request, when we want to leave */
    BODY_RATE = 256,            /* bytes per second of a request's body, at least */
    BODY_SLACK_MS = 30000       /* how long it may stay behind that */
};

static struct pool pool = POOL_OF_SLABS("client", struct client, 64);

static void client_run(struct task *task, unsigned wakes);

/* ---- what it speaks, and for how long ---- */

static struct head_limits limits_of(const struct server *server)
{
    return (struct head_limits){ .line_bytes = server->large_size,
                               .field_bytes = server->large_size,
                               .head_bytes = server->large_size * server->large_count,
                               .fields = server->max_headers };
}

static struct codec *codec_new(struct client *client, bool is_h2)
{
    const struct server *first = client->door->listen->servers[0];
    struct head_limits   limits = limits_of(first);

    return is_h2 ? h2_server_new(&limits, &first->h2, &client->host)
                 : h1_server_new(&limits, &client->host);
}

struct codec *client_codec(const struct client *client)
{
    return opening_is(client->conn->protocol) ? NULL : codec_of_protocol(client->conn->protocol);
}

void client_speaks(struct client *client, bool is_h2)
{
    struct codec *codec = codec_new(client, is_h2);

    conn_become(client->conn, &codec->protocol);
    codec->ops->attach(codec, client->conn);
}

/* Unless it is said, no location that streams uploads has a least rate: what trickles there may be
 * meant to. */
static uint32_t body_rate(const struct location *location)
{
    if (location->body_rate != BODY_RATE_UNSAID)
        return location->body_rate;
    return location->proxy.is_request_buffering ? BODY_RATE : 0;
}

/* Whoever keeps within client_body_timeout is not blamed for one pause. */
static uint32_t body_slack_ms(const struct location *location)
{
    if (location->body_rate_after_ms > 0)
        return location->body_rate_after_ms;
    return location->body_timeout_ms > BODY_SLACK_MS ? location->body_timeout_ms : BODY_SLACK_MS;
}

static struct conn_timeouts timeouts_of(struct client *client, const struct location *location)
{
    uint32_t idle_ms = location->keepalive_timeout_ms;

    client->keepalive_ms = idle_ms;
    return (struct conn_timeouts){
        .waits_ms = { [CONN_WAIT_IDLE] = idle_ms > PARK_MS || idle_ms == 0 ? PARK_MS : idle_ms,
                      [CONN_WAIT_HEAD] = client->door->listen->servers[0]->head_timeout_ms,
                      [CONN_WAIT_BODY] = location->body_timeout_ms },
        .send_ms = location->send_timeout_ms,
        .body_rate = body_rate(location),
        .body_slack_ms = body_slack_ms(location),
        .linger_ms = location->lingering == LINGERING_OFF ? 0 : location->lingering_timeout_ms,
        .linger_most_ms = location->lingering_time_ms,
        .is_lingering_always = location->lingering == LINGERING_ALWAYS,
    };
}

void client_use(struct client *client, struct stream *stream, const struct location *location)
{
    struct conn_timeouts timeouts = timeouts_of(client, location);

    if (client->conn == NULL)
        return;
    stream->ops->use(stream, &timeouts);
    client->conn->timeouts.waits_ms[CONN_WAIT_IDLE] = timeouts.waits_ms[CONN_WAIT_IDLE];
    client->conn->is_reset_on_timeout = location->is_reset_on_timeout;
    if (client->conn->is_delaying == location->has_nodelay) {
        client->conn->is_delaying = !location->has_nodelay;
        socket_set_nodelay(client->conn->transport.fd, location->has_nodelay);
    }
}

/* ---- made ---- */

static struct client *make(struct door *door)
{
    struct client *client = pool_take(&pool);

    client->door = door;
    client->watch = (struct watch){ .fd = -1, .task = &client->task };
    task_init(&client->task, client_run);
    timer_init(&client->timer, &client->task);
    list_init(&client->link);
    return client;
}

static void accept_stream(struct codec_host *host, struct stream *stream)
{
    struct client *client = container_of(host, struct client, host);
    struct door   *door = client->door;

    if (client->exchanges++ == 0)
        tally_add(TALLY_BUSY);
    exchange_begin(client, stream, door->snapshot, door->listen, door->front->loop);
}

void client_new(struct door *door, int fd, const struct address *remote)
{
    struct loop         *loop = door->front->loop;
    struct client       *client = make(door);
    struct conn_timeouts timeouts = timeouts_of(client, &door->listen->servers[0]->level);
    struct codec        *codec = NULL;
    struct protocol     *protocol;

    client->host = (struct codec_host){ .accept = accept_stream, .resting = &client->task };
    client->remote = address_shorten(remote);
    client->connected_ms = loop_now_ms(loop);
    if (opening_is_due(door->listen)) {
        protocol = opening_new(client);
    } else {
        codec = codec_new(client, false);
        protocol = &codec->protocol;
    }
    client->conn = conn_new(loop, fd, protocol, &timeouts, &client->task);
    if (client->conn == NULL) {
        pool_give(&pool, client);
        return;
    }
    client->serial = client->conn->serial;
    if (codec != NULL)
        codec->ops->attach(codec, client->conn);
    door_join(door, client);
    tally_add(TALLY_HANDLED);
    tally_add(TALLY_OPEN);
}

struct client *client_stand_in(const struct client *like, struct exchange *exchange)
{
    struct client *client = make(like->door);

    client->serial = like->serial;
    client->connected_ms = like->connected_ms;
    client->unattended = exchange;
    client->is_stand_in = true;
    client->exchanges = 1;
    if (like->secured_by != NULL)
        pin(like->door->front->loop, &like->secured_by->pinned);
    client->secured_by = like->secured_by;
    preface_copy(client, like);
    door_join(like->door, client);
    return client;
}

/* ---- its end ---- */

static void release(struct corpse *corpse)
{
    struct client *client = container_of(corpse, struct client, corpse);

    task_cancel(&client->task);
    preface_drop(client);
    pool_give(&pool, client);
}

static bool is_parked(const struct client *client)
{
    return client->watch.fd >= 0;
}

static void bury_if_over(struct client *client)
{
    struct loop *loop = client->door->front->loop;

    if (client->conn != NULL || client->exchanges > 0 || is_parked(client))
        return;
    if (!client->is_stand_in)
        tally_drop(TALLY_OPEN);
    timer_remove(loop_timers(loop), &client->timer);
    task_cancel(&client->task);   /* it may have spoken in the turn that closed it */
    if (client->secured_by != NULL)
        unpin(loop, &client->secured_by->pinned);
    client->corpse.release = release;
    loop_bury(loop, &client->corpse);
    door_leave(client->door, client);
}

void client_close(struct client *client)
{
    if (client->conn != NULL) {
        conn_close(client->conn, LOSS_CLOSED);
    } else if (is_parked(client)) {
        conn_close_detached(client->watch.fd);
        client->watch.fd = -1;
        bury_if_over(client);
    }
}

void client_cut(struct client *client)
{
    if (client->conn != NULL)
        conn_close(client->conn, LOSS_SHUTDOWN);
    else if (is_parked(client))
        client_close(client);
    else if (client->unattended != NULL)
        nobody_leaves(client->unattended);
}

void client_exchange_over(struct client *client)
{
    if (--client->exchanges == 0 && !client->is_stand_in)
        tally_drop(TALLY_BUSY);
    client->unattended = NULL;
    client->door->front->none_idle_ms = 0;
    bury_if_over(client);
}

/* ---- resting and parking ---- */

bool client_is_at_rest(const struct client *client)
{
    const struct codec *codec;

    if (is_parked(client))
        return true;
    if (client->conn == NULL || client->exchanges > 0)
        return false;
    codec = client_codec(client);
    return codec != NULL && codec->ops->is_idle(codec) && codec->ops->count(codec) > 0;
}

/* A connection that rests keeps its descriptor, a deadline and its client; conn and codec, three
 * quarters of its memory, are made anew when it speaks again. */
static void park(struct client *client, int64_t until_ms)
{
    struct front *front = client->door->front;
    struct codec *codec = client_codec(client);

    client->requests = codec->ops->count(codec);
    client->watch.fd = conn_detach(client->conn);
    client->conn = NULL;
    timer_set(loop_timers(front->loop), &client->timer, until_ms);
    if (loop_rewatch(front->loop, &client->watch) < 0)
        client_close(client);
    front_note_parked(front);
}

/* It has lasted as long as it may; of several streams none must be lost that is on its way. */
static void rest_over(struct client *client)
{
    struct codec *codec = client_codec(client);

    if (codec->ops->is_multiplexed)
        codec->ops->drain(codec);
    else
        conn_close(client->conn, LOSS_CLOSED);
}

/* Nothing has come for a while. What a handshake has made cannot be parked, and keeps the conn. */
static void rest(struct client *client)
{
    struct conn  *conn = client->conn;
    struct codec *codec = client_codec(client);
    struct loop  *loop = client->door->front->loop;
    int64_t       until_ms = conn->since_ms + client->keepalive_ms;

    if (client->exchanges > 0 || !codec->ops->is_idle(codec) || !conn_is_quiet(conn) ||
        conn->pending.len > 0) {
        conn->since_ms = loop_now_ms(loop);   /* it has news; the rest begins anew */
    } else if (until_ms <= loop_now_ms(loop)) {
        rest_over(client);
    } else if (conn->transport.ops->is_plain && !codec->ops->is_multiplexed) {
        park(client, until_ms);
    } else {
        conn_rest(conn);
        conn->timeouts.waits_ms[CONN_WAIT_IDLE] = client->keepalive_ms;
    }
}

static void unpark(struct client *client)
{
    const struct location *level = &client->door->listen->servers[0]->level;
    struct loop           *loop = client->door->front->loop;
    struct codec          *codec;
    int                    fd = client->watch.fd;
    struct conn_timeouts   timeouts;

    timeouts = timeouts_of(client, level);
    client->watch.fd = -1;
    timer_stop(&client->timer);
    codec = codec_new(client, false);
    codec->ops->set_count(codec, client->requests);
    client->conn = conn_resume(loop, fd, &codec->protocol, &timeouts, &client->task);
    if (client->conn != NULL)
        codec->ops->attach(codec, client->conn);
    else
        bury_if_over(client);
}

/* ---- leaving ---- */

/* A connection that has asked nothing yet may have its request on the way: it gets a moment. */
static void drain_conn(struct client *client)
{
    struct codec *codec = client_codec(client);

    if (codec != NULL)
        codec->ops->drain(codec);
    if (client->exchanges > 0 || (codec != NULL && codec->ops->count(codec) > 0))
        return;
    client->conn->timeouts.waits_ms[CONN_WAIT_HEAD] = DRAIN_FRESH_MS;
    conn_hasten(client->conn, loop_now_ms(client->door->front->loop) + DRAIN_FRESH_MS);
    task_wake(&client->conn->task, 0);
}

void client_drain(struct client *client)
{
    if (client->conn != NULL)
        drain_conn(client);
    else
        client_close(client);
}

void client_renew(struct client *client)
{
    struct codec *codec = client->conn == NULL ? NULL : client_codec(client);

    if (codec != NULL && codec->ops->is_multiplexed)
        codec->ops->drain(codec);
}

bool client_is_draining(const struct client *client)
{
    return client->door->front->is_draining || !client->door->is_open;
}

/* ---- its task ---- */

/* Of its open conn. */
static void hear(struct client *client, unsigned wakes)
{
    if (!opening_is(client->conn->protocol)) {
        if (wakes & WAKE_DEADLINE)
            rest(client);
    } else if (wakes & WAKE_WRITABLE) {
        opening_secured(client);
    }
}

static void client_run(struct task *task, unsigned wakes)
{
    struct client *client = container_of(task, struct client, task);

    if (wakes & WAKE_END) {
        client->conn = NULL;
        bury_if_over(client);
    } else if (!is_parked(client)) {
        if (client->conn != NULL && !client->conn->is_closed)
            hear(client, wakes);
    } else if (wakes & WAKE_READABLE) {
        unpark(client);
    } else if (wakes & WAKE_DEADLINE) {
        client_close(client);
    }
}

/* ---- for others ---- */

const struct client *client_of_task(const struct task *task)
{
    return task->run == client_run ? container_of(task, struct client, task) : NULL;
}

struct address client_remote(const struct client *client)
{
    return address_lengthen(client->has_preface ? &client->preface->sender : &client->remote);
}

const struct listen *client_listen(const struct client *client)
{
    return client->door->listen;
}

void client_secures(struct client *client)
{
    struct door *door = client->door;

    client->secured_by = door->snapshot;
    pin(door->front->loop, &door->snapshot->pinned);
}

bool client_may_rest(struct client *client)
{
    return front_may_keep(client->door->front);
}

bool client_make_room(struct client *client)
{
    return front_make_room(client->door->front, "no room for a connection to an upstream");
}
