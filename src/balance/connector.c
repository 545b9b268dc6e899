// SPDX-License-Identifier: MIT
/* Connectors: a connection that is there at once, or a new one within the deadline. */
#include "balance/connector.h"

#include <errno.h>

#include "balance/idle.h"
#include "balance/shared.h"
#include "balance/shelf.h"
#include "base/hash.h"
#include "base/must.h"
#include "net/room.h"

enum {
    CLOSE_IDLE_AT_ONCE = 4,
    SILENCE_MS = 1000,                   /* a connection that brought nothing while a request waited so long */
    VERSION_1 = 11,
    VERSION_2 = 20
};

/* ---- which connections will do ---- */

uint64_t connector_identity(const struct connector_ask *ask)
{
    const struct line_ask *line = &ask->line;
    uint64_t               parts[] = {
        line->tls != NULL,
        line->tls != NULL ? tls_client_identity(line->tls) : 0,
        hash_text(line->tls_name),
        hash_text(line->tls_certificate),
        hash_text(line->tls_key),
        line->is_http2 + 2u * line->must_be_http2,
        line->is_http2 ? ask->limits.head_bytes : 0,   /* of those who share a connection */
    };
    uint64_t identity;

    if (line->tls == NULL && !line->is_http2)
        return 0;
    identity = hash_text(text_of((const char *)parts, sizeof(parts)));
    return identity != 0 ? identity : 1;
}

/* A connection that rests: this loop's, or one from the shelf. */
static struct peer_conn *take_kept(const struct connector_ask *ask, struct loop *loop,
                                   uint64_t identity)
{
    struct peer_conn *kept = idle_take(loop, ask->peer, identity);
    struct shelved    shelved;

    if (kept != NULL)
        conn_set_timeouts(kept->line.conn, &ask->line.timeouts);
    else if (identity == 0 && room_for_upstream() && shelf_take(ask->peer, &shelved))
        kept = peer_conn_revive(ask, loop, &shelved);
    return kept;
}

/* NULL: there must be a new one. */
static struct peer_conn *find(const struct connector_ask *ask, struct loop *loop, uint64_t identity)
{
    struct peer_conn *found = NULL;

    if (ask->line.introduction.len > 0)
        return NULL;
    if (ask->line.is_http2)
        found = shared_find(ask, loop, identity);
    if (found == NULL && !ask->must_be_new)
        found = take_kept(ask, loop, identity);
    if (found == NULL && ask->line.is_http2 && peer_may_share(ask->peer, identity))
        found = shared_find_coming(ask, loop, identity);
    return found;
}

static bool is_short_of_room(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -EUSERS;
}

/* A connection that rests, to whomever, is worth less than one that is needed now. */
static int make(struct connector *connector, uint64_t identity)
{
    int r = peer_conn_open(connector, identity);

    if (is_short_of_room(r) && idle_close_oldest(connector->loop, CLOSE_IDLE_AT_ONCE) > 0)
        r = peer_conn_open(connector, identity);
    return r;
}

static void fail(struct connector *connector, int fault, int error)
{
    connector->state = CONNECTOR_FAILED;
    connector->fault = fault;
    connector->error = error;
}

/* ---- one of them ---- */

static void ready(struct connector *connector)
{
    connector->state = CONNECTOR_READY;
    connector->peer_conn->promised++;
}

static void begin(struct connector *connector)
{
    uint64_t          identity = connector_identity(&connector->ask);
    struct peer_conn *found = find(&connector->ask, connector->loop, identity);
    int               r;

    connector->state = CONNECTOR_WAITING;
    if (found != NULL) {
        peer_conn_join(found, connector);
        if (peer_conn_room(found) > 0)
            ready(connector);
        return;
    }
    r = make(connector, identity);
    if (r < 0)
        fail(connector, line_fault_of(r), r);
}

/* Its connection may stand by now; or be full, and another is looked for. */
static void look(struct connector *connector)
{
    struct peer_conn *peer_conn = connector->peer_conn;

    if (peer_conn_room(peer_conn) > 0) {
        ready(connector);
    } else if (peer_conn->is_settled && !peer_conn->line.conn->is_closed) {
        if (peer_conn->served == 0 && peer_conn->promised == 0) {
            fail(connector, FAULT_PEER_REFUSED, 0);   /* it takes nobody */
            return;
        }
        peer_conn_leave(peer_conn, connector);
        begin(connector);
    } else if (loop_now_ms(connector->loop) >= connector->until_ms) {
        fail(connector, FAULT_CONNECT_TIMEOUT, -ETIMEDOUT);
    }
}

void connector_start(struct connector *connector, const struct connector_ask *ask,
                     struct loop *loop, struct task *waiter)
{
    uint32_t connect_ms = ask->line.connect_timeout_ms;
    uint32_t handshake_ms = ask->line.tls != NULL ? connect_ms : 0;

    *connector = (struct connector){
        .ask = *ask, .loop = loop, .waiter = waiter,
        .until_ms = loop_now_ms(loop) + connect_ms + handshake_ms,
    };
    list_init(&connector->link);
    begin(connector);
}

enum connector_state connector_poll(struct connector *connector, int *reterr_fault)
{
    if (connector->state == CONNECTOR_WAITING)
        look(connector);
    if (connector->state == CONNECTOR_FAILED)
        *reterr_fault = connector->fault;
    return connector->state;
}

unsigned connector_version(const struct connector *connector)
{
    const struct peer_conn *peer_conn = connector->peer_conn;

    return peer_conn != NULL && peer_conn->is_shared ? VERSION_2 : VERSION_1;
}

struct stream *connector_stream(struct connector *connector)
{
    struct peer_conn *peer_conn = connector->peer_conn;
    struct codec     *codec = peer_conn->line.codec;

    must(connector->state == CONNECTOR_READY && !connector->has_stream);
    if (codec->ops->room(codec) == 0)
        return NULL;
    connector->has_stream = true;
    connector->opened_ms = loop_now_ms(connector->loop);
    connector->opened_bytes = peer_conn->line.conn->bytes_in;
    peer_conn->promised--;
    peer_conn->served++;
    codec->ops->set_limits(codec, &connector->ask.limits);
    return codec->ops->open(codec);
}

static void unlink_user(struct connector *connector)
{
    if (connector->peer_conn != NULL)
        list_remove(&connector->link);
}

static void relink(struct connector *connector)
{
    list_init(&connector->link);
    if (connector->peer_conn != NULL)
        list_append(&connector->peer_conn->users, &connector->link);
}

void connector_swap(struct connector *a, struct connector *b)
{
    struct connector former;

    unlink_user(a);
    unlink_user(b);
    former = *a;
    *a = *b;
    *b = former;
    relink(a);
    relink(b);
}

/* Those who share a connection are not to be cut off because one of them is; but one that has not said a
 * word while that one waited is no good for others. */
static bool is_silent(const struct connector *connector, const struct peer_conn *peer_conn)
{
    return connector->has_stream && connector->opened_bytes == peer_conn->line.conn->bytes_in &&
           loop_now_ms(connector->loop) - connector->opened_ms >= SILENCE_MS;
}

void connector_release(struct connector *connector, struct loop *loop, bool may_keep)
{
    struct peer_conn *peer_conn = connector->peer_conn;
    bool              is_shared;

    if (peer_conn != NULL) {
        is_shared = peer_conn->is_shared;
        if (is_shared && !may_keep && is_silent(connector, peer_conn))
            peer_conn_dismiss(peer_conn);
        may_keep = may_keep || is_shared;
        peer_conn_leave(peer_conn, connector);
        if (!list_is_empty(&peer_conn->users))
            peer_conn = NULL;
    }
    connector->state = CONNECTOR_NONE;
    if (peer_conn == NULL)
        return;
    if (may_keep && peer_conn->line.is_open)
        idle_give(loop, connector->ask.upstream, peer_conn);
    else
        conn_close(peer_conn->line.conn, LOSS_CLOSED);
}
