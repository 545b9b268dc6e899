// SPDX-License-Identifier: MIT
/* Connectors: an idle connection at once, or a new one within the deadline. */
#include "balance/connector.h"

#include <errno.h>

#include "balance/idle.h"
#include "balance/shelf.h"
#include "base/must.h"
#include "base/pool.h"
#include "http/h1_codec.h"
#include "net/room.h"
#include "net/socket.h"

enum { CLOSE_IDLE_AT_ONCE = 4 };

static struct pool pool = POOL("peer_conn", struct peer_conn, 256);

static void peer_conn_release(struct corpse *corpse)
{
    struct peer_conn *peer_conn = container_of(corpse, struct peer_conn, corpse);

    task_cancel(&peer_conn->task);
    pool_give(&pool, peer_conn);
}

static int fault_of_connect(int error)
{
    switch (error) {
    case -ETIMEDOUT:
        return FAULT_CONNECT_TIMEOUT;
    case -ECONNREFUSED:
        return FAULT_CONNECT_REFUSED;
    case -EMFILE:
    case -ENFILE:
        return FAULT_NO_DESCRIPTORS;
    case -EUSERS:
        return FAULT_NO_CONNECTIONS;
    default:
        return FAULT_CONNECT_FAILED;
    }
}

static void connect_failed(struct connector *connector, int error)
{
    connector->state = CONNECTOR_FAILED;
    connector->fault = fault_of_connect(error);
    connector->error = error;
}

static void waiter_wake(struct connector *connector)
{
    if (connector->waiter != NULL)
        task_wake(connector->waiter, WAKE_LETTER);
}

/* The connection stands: what has to be said first is said. */
static void connected(struct connector *connector)
{
    int error = 0;

    if (connector->introduction.len > 0)
        error = conn_say_first(connector->peer_conn->conn, connector->introduction);
    if (error < 0)
        connect_failed(connector, error);
    else
        connector->state = CONNECTOR_READY;
}

/* News of the connection: it stands, or it has ended (in use, at rest or while connecting). */
static void peer_conn_run(struct task *task, unsigned wakes)
{
    struct peer_conn *peer_conn = container_of(task, struct peer_conn, task);
    struct connector *user = peer_conn->user;

    if (user != NULL && user->state == CONNECTOR_WAITING) {
        if (wakes & WAKE_END)
            connect_failed(user, peer_conn->error);
        else if (wakes & WAKE_WRITABLE)
            connected(user);
        if (user->state != CONNECTOR_WAITING)
            waiter_wake(user);
    }
    if (!(wakes & WAKE_END))
        return;
    if (user != NULL)
        user->peer_conn = NULL;
    idle_ended(peer_conn->loop, peer_conn);
    peer_unref(&peer_conn->peer);
    loop_bury(peer_conn->loop, &peer_conn->corpse);
}

static struct peer_conn *peer_conn_new(struct loop *loop, struct peer *peer)
{
    struct peer_conn *peer_conn = pool_take(&pool);

    peer_conn->loop = loop;
    peer_conn->peer = peer_ref(peer);
    peer_conn->made_ms = loop_now_ms(loop);
    list_init(&peer_conn->link);
    list_init(&peer_conn->age_link);
    list_init(&peer_conn->loop_link);
    task_init(&peer_conn->task, peer_conn_run);
    peer_conn->corpse.release = peer_conn_release;
    return peer_conn;
}

/* NULL, and it is gone, when its conn could not be made. */
static struct peer_conn *peer_conn_if_open(struct peer_conn *peer_conn)
{
    if (peer_conn->conn == NULL) {
        peer_unref(&peer_conn->peer);
        loop_bury(peer_conn->loop, &peer_conn->corpse);
        return NULL;
    }
    peer_conn->conn->error_to = &peer_conn->error;
    peer_conn->codec->ops->attach(peer_conn->codec, peer_conn->conn);
    return peer_conn;
}

/* -errno when the system refuses at once, -EUSERS when the loop has all the connections it may. */
static int connect_once(struct connector *connector, const struct connector_ask *ask,
                       struct loop *loop)
{
    struct peer_conn *peer_conn;
    bool              is_in_progress;
    int               fd, r;

    r = room_for_upstream()
            ? socket_connect(&ask->peer->address, ask->bind_to, &fd, &is_in_progress)
                            : -EUSERS;
    if (r < 0)
        return r;
    if (ask->has_socket_keepalive)
        socket_set_keepalive(fd);
    peer_conn = peer_conn_new(loop, ask->peer);
    peer_conn->codec = h1_client_new();
    peer_conn->conn = conn_open(loop, fd, &peer_conn->codec->protocol, &ask->timeouts,
                                &peer_conn->task, loop_now_ms(loop) + ask->connect_timeout_ms);
    connector->peer_conn = peer_conn_if_open(peer_conn);
    return connector->peer_conn != NULL ? 0 : -ENOMEM;
}

static bool is_short_of_room(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -EUSERS;
}

/* A connection that rests, to whomever, is worth less than one that is needed now. */
static int connect_new(struct connector *connector, const struct connector_ask *ask,
                       struct loop *loop)
{
    int r = connect_once(connector, ask, loop);

    if (is_short_of_room(r) && idle_close_oldest(loop, CLOSE_IDLE_AT_ONCE) > 0)
        r = connect_once(connector, ask, loop);
    return r;
}

/* Back to life from the shelf, as a connection of this loop. NULL: the poller refuses. */
static struct peer_conn *peer_conn_revive(const struct connector_ask *ask, struct loop *loop,
                                          const struct shelved *shelved)
{
    struct peer_conn *peer_conn = peer_conn_new(loop, ask->peer);

    peer_conn->made_ms = shelved->made_ms;
    peer_conn->served = shelved->served;
    peer_conn->codec = h1_client_new();
    peer_conn->codec->ops->set_count(peer_conn->codec, shelved->served);
    peer_conn->conn =
        conn_new(loop, shelved->fd, &peer_conn->codec->protocol, &ask->timeouts, &peer_conn->task);
    return peer_conn_if_open(peer_conn);
}

/* A connection that rests: this loop's, or one from the shelf. */
static struct peer_conn *take_kept(const struct connector_ask *ask, struct loop *loop)
{
    struct peer_conn *kept = idle_take(loop, ask->peer);
    struct shelved    shelved;

    if (kept != NULL)
        conn_set_timeouts(kept->conn, &ask->timeouts);
    else if (room_for_upstream() && shelf_take(ask->peer, &shelved))
        kept = peer_conn_revive(ask, loop, &shelved);
    return kept;
}

void connector_start(struct connector *connector, const struct connector_ask *ask,
                     struct loop *loop, struct task *waiter)
{
    bool              must_be_new = ask->must_be_new || ask->introduction.len > 0;
    struct peer_conn *kept = must_be_new ? NULL : take_kept(ask, loop);
    int               r;

    *connector = (struct connector){ .upstream = ask->upstream,
                                     .waiter = waiter,
                                     .introduction = ask->introduction };
    if (kept != NULL) {
        connector->peer_conn = kept;
        connector->state = CONNECTOR_READY;
    } else {
        connector->state = CONNECTOR_WAITING;
        r = connect_new(connector, ask, loop);
        if (r < 0) {
            connect_failed(connector, r);
            return;
        }
    }
    connector->peer_conn->user = connector;
    connector->peer_conn->codec->ops->set_limits(connector->peer_conn->codec, &ask->limits);
}

enum connector_state connector_poll(struct connector *connector, int *reterr_fault)
{
    if (connector->state == CONNECTOR_FAILED)
        *reterr_fault = connector->fault;
    return connector->state;
}

struct stream *connector_stream(struct connector *connector)
{
    struct peer_conn *peer_conn = connector->peer_conn;

    must(connector->state == CONNECTOR_READY && peer_conn != NULL);
    peer_conn->served++;
    return peer_conn->codec->ops->open(peer_conn->codec);
}

void connector_swap(struct connector *a, struct connector *b)
{
    struct connector former = *a;

    *a = *b;
    *b = former;
    if (a->peer_conn != NULL)
        a->peer_conn->user = a;
    if (b->peer_conn != NULL)
        b->peer_conn->user = b;
}

void connector_release(struct connector *connector, struct loop *loop, bool may_keep)
{
    struct peer_conn *peer_conn = connector->peer_conn;

    connector->peer_conn = NULL;
    connector->state = CONNECTOR_NONE;
    if (peer_conn == NULL)
        return;
    peer_conn->user = NULL;
    if (may_keep)
        idle_give(loop, connector->upstream, peer_conn);
    else
        conn_close(peer_conn->conn, LOSS_CLOSED);
}
