// SPDX-License-Identifier: MIT
/* From a socket to a connection that may carry requests, and its end. */
#include "balance/peer_conn.h"

#include <errno.h>

#include "balance/idle.h"
#include "balance/shelf.h"
#include "base/mem.h"
#include "base/pool.h"
#include "http/h1_codec.h"
#include "http/h2_codec.h"
#include "net/room.h"
#include "net/socket.h"
#include "tls/info.h"

enum { WORDS_MOST = 400 };

/* Of HTTP/2 towards peers. A stream's window is what a slow client may make us hold. */
static const struct h2_settings settings = {
    .max_streams = 128,
    .window = 256 * 1024,
    .chunk_size = 16 * 1024,
    .recv_buffer_size = 1024 * 1024,
};

static struct pool pool = POOL("peer_conn", struct peer_conn, 256);

static void peer_conn_run(struct task *task, unsigned wakes);

static void peer_conn_release(struct corpse *corpse)
{
    struct peer_conn *peer_conn = container_of(corpse, struct peer_conn, corpse);

    task_cancel(&peer_conn->task);
    mem_free(peer_conn->words);
    pool_give(&pool, peer_conn);
}

static struct connector *user_of(struct link *link)
{
    return container_of(link, struct connector, link);
}

/* ---- TLS ---- */

static struct peer_conn *of_host(struct tls_host *host)
{
    return container_of(host, struct peer_conn, host);
}

/* The users' own: whoever shares this connection has the same. */
static bool evaluate(struct tls_host *host, const struct tls_pair *pair, struct text name,
                     struct text *ret_certificate, struct text *ret_key)
{
    const struct connector_ask *ask = &user_of(of_host(host)->users.next)->ask;

    (void)pair;
    (void)name;
    *ret_certificate = ask->tls_certificate;
    *ret_key = ask->tls_key;
    return true;
}

static void failed(struct tls_host *host, enum log_level level, const char *words)
{
    struct peer_conn *peer_conn = of_host(host);
    size_t            len = text_from(words).len;

    (void)level;
    mem_free(peer_conn->words);
    peer_conn->words = mem_string(words, len < WORDS_MOST ? len : WORDS_MOST);
}

static void give_up(struct peer_conn *peer_conn, int error)
{
    peer_conn->conn->error = error;
    conn_close(peer_conn->conn, LOSS_CLOSED);
}

static void secure(struct peer_conn *peer_conn, const struct connector_ask *ask)
{
    struct conn     *conn = peer_conn->conn;
    struct transport transport;

    peer_conn->is_securing = true;
    transport = tls_connect(conn->transport.fd, ask->tls, ask->tls_name,
                            peer_sessions(peer_conn->peer), &peer_conn->host);
    if (transport.ops == NULL) {
        give_up(peer_conn, -ENOMEM);
        return;
    }
    conn_secure(conn, transport, loop_now_ms(conn->loop) + ask->connect_timeout_ms);
}

/* ---- the protocol ---- */

static void become_h2(struct peer_conn *peer_conn)
{
    struct codec *codec = h2_client_new(&settings);

    conn_become(peer_conn->conn, &codec->protocol);
    peer_conn->codec = codec;
    codec->ops->attach(codec, peer_conn->conn);
}

/* HTTP/2 where it is wanted: in clear the peer is known to speak it, over TLS it says so. */
static void speak(struct peer_conn *peer_conn, const struct connector_ask *ask)
{
    const struct transport *transport = &peer_conn->conn->transport;
    bool                    is_h2 = ask->is_http2;

    tls_forget_host(&peer_conn->conn->transport, &peer_conn->host);
    if (is_h2 && tls_is_tls(transport))
        is_h2 = text_is_equal(tls_alpn(transport), TEXT("h2"));
    if (ask->must_be_http2 && !is_h2) {
        peer_conn->fault = FAULT_NO_HTTP2;
        give_up(peer_conn, -EPROTO);
        return;
    }
    if (is_h2)
        become_h2(peer_conn);
    else
        list_remove(&peer_conn->link);
    if (ask->is_http2)
        peer_note_protocol(peer_conn->peer, peer_conn->identity, is_h2);
    peer_conn->is_open = true;
    peer_conn->is_securing = false;
    peer_conn->is_settled = !is_h2;
    peer_conn->is_shared = is_h2;
    peer_conn->is_bare = !is_h2 && transport->ops->is_plain;
}

/* ---- coming to stand ---- */

static void go_on(struct peer_conn *peer_conn)
{
    const struct conn          *conn = peer_conn->conn;
    const struct connector_ask *ask = &user_of(peer_conn->users.next)->ask;

    if (conn->is_closed || conn->is_connecting || conn->is_securing)
        return;
    if (ask->tls != NULL && !peer_conn->is_securing)
        secure(peer_conn, ask);
    else
        speak(peer_conn, ask);
}

static void users_wake(struct peer_conn *peer_conn)
{
    LIST_EACH(&peer_conn->users, at)
        if (user_of(at)->state == CONNECTOR_WAITING)
            task_wake(user_of(at)->waiter, WAKE_LETTER);
}

static int fault_of_connect(int error)
{
    switch (error) {
    case -ETIMEDOUT:
        return FAULT_CONNECT_TIMEOUT;
    case -ECONNREFUSED:
        return FAULT_CONNECT_REFUSED;
    default:
        return FAULT_CONNECT_FAILED;
    }
}

/* Before it has carried anything. */
static int fault_of_end(const struct peer_conn *peer_conn)
{
    if (peer_conn->fault != FAULT_NONE)
        return peer_conn->fault;
    if (peer_conn->is_open)
        return FAULT_PEER_CLOSED;
    if (peer_conn->is_securing)
        return peer_conn->error == -ETIMEDOUT ? FAULT_TLS_TIMEOUT : FAULT_TLS_HANDSHAKE;
    return fault_of_connect(peer_conn->error);
}

static void ended(struct peer_conn *peer_conn)
{
    LIST_EACH_SAFE(&peer_conn->users, at, after) {
        struct connector *user = user_of(at);

        list_remove(at);
        user->peer_conn = NULL;
        if (user->state == CONNECTOR_WAITING) {
            user->state = CONNECTOR_FAILED;
            user->fault = fault_of_end(peer_conn);
            user->error = peer_conn->error;
            if (peer_conn->words != NULL)
                user->words = arena_copy(user->ask.arena, text_from(peer_conn->words));
            task_wake(user->waiter, WAKE_LETTER);
        }
    }
    idle_ended(peer_conn->loop, peer_conn);
    list_remove(&peer_conn->link);
    peer_unref(&peer_conn->peer);
    loop_bury(peer_conn->loop, &peer_conn->corpse);
}

static void peer_conn_run(struct task *task, unsigned wakes)
{
    struct peer_conn *peer_conn = container_of(task, struct peer_conn, task);

    if (wakes & WAKE_END) {
        ended(peer_conn);
        return;
    }
    if (!peer_conn->is_open && !list_is_empty(&peer_conn->users))
        go_on(peer_conn);
    else if (wakes & WAKE_ROOM)
        peer_conn->is_settled = true;
    if (peer_conn->is_open)
        users_wake(peer_conn);
}

/* ---- made ---- */

static struct peer_conn *peer_conn_new(struct loop *loop, struct peer *peer, uint64_t identity)
{
    struct peer_conn *peer_conn = pool_take(&pool);

    peer_conn->loop = loop;
    peer_conn->peer = peer_ref(peer);
    peer_conn->identity = identity;
    peer_conn->made_ms = loop_now_ms(loop);
    peer_conn->host = (struct tls_host){ .evaluate = evaluate, .failed = failed };
    list_init(&peer_conn->users);
    list_init(&peer_conn->link);
    list_init(&peer_conn->age_link);
    list_init(&peer_conn->loop_link);
    task_init(&peer_conn->task, peer_conn_run);
    peer_conn->corpse.release = peer_conn_release;
    peer_conn->codec = h1_client_new();
    return peer_conn;
}

/* NULL, and it is gone, when its conn could not be made. */
static struct peer_conn *if_made(struct peer_conn *peer_conn)
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

int peer_conn_open(struct connector *connector, uint64_t identity)
{
    const struct connector_ask *ask = &connector->ask;
    struct loop                *loop = connector->loop;
    struct peer_conn           *peer_conn;
    bool                        is_in_progress;
    int                         fd, r = -EUSERS;

    if (room_for_upstream())
        r = socket_connect(&ask->peer->address, ask->bind_to, &fd, &is_in_progress);
    if (r < 0)
        return r;
    if (ask->has_socket_keepalive)
        socket_set_keepalive(fd);
    peer_conn = peer_conn_new(loop, ask->peer, identity);
    peer_conn->conn = conn_open(loop, fd, &peer_conn->codec->protocol, &ask->timeouts,
                                &peer_conn->task, loop_now_ms(loop) + ask->connect_timeout_ms);
    peer_conn = if_made(peer_conn);
    if (peer_conn == NULL)
        return -ENOMEM;
    if (ask->introduction.len > 0)
        conn_say_first(peer_conn->conn, ask->introduction);
    peer_conn_join(peer_conn, connector);
    return 0;
}

struct peer_conn *peer_conn_revive(const struct connector_ask *ask, struct loop *loop,
                                   const struct shelved *shelved)
{
    struct peer_conn *peer_conn = peer_conn_new(loop, ask->peer, 0);

    peer_conn->made_ms = shelved->made_ms;
    peer_conn->served = shelved->served;
    peer_conn->is_open = peer_conn->is_settled = peer_conn->is_bare = true;
    peer_conn->codec->ops->set_count(peer_conn->codec, shelved->served);
    peer_conn->conn =
        conn_new(loop, shelved->fd, &peer_conn->codec->protocol, &ask->timeouts, &peer_conn->task);
    return if_made(peer_conn);
}

/* ---- users ---- */

void peer_conn_join(struct peer_conn *peer_conn, struct connector *connector)
{
    const struct connector_ask *ask = &connector->ask;

    connector->peer_conn = peer_conn;
    list_append(&peer_conn->users, &connector->link);
    peer_conn->user_count++;
    if (ask->is_http2 && ask->introduction.len == 0 && !list_is_linked(&peer_conn->link) &&
        (!peer_conn->is_open || peer_conn->is_shared))
        list_append(&peer_conn->peer->shared[loop_number(peer_conn->loop)], &peer_conn->link);
}

void peer_conn_leave(struct peer_conn *peer_conn, struct connector *connector)
{
    if (connector->state == CONNECTOR_READY && !connector->has_stream)
        peer_conn->promised--;
    connector->peer_conn = NULL;
    list_remove(&connector->link);
    peer_conn->user_count--;
    if (list_is_empty(&peer_conn->users))
        list_remove(&peer_conn->link);
}

void peer_conn_dismiss(struct peer_conn *peer_conn)
{
    peer_conn->is_dismissed = true;
    list_remove(&peer_conn->link);
}

unsigned peer_conn_room(const struct peer_conn *peer_conn)
{
    unsigned room;

    if (!peer_conn->is_open || peer_conn->conn->is_closed)
        return 0;
    room = peer_conn->codec->ops->room(peer_conn->codec);
    return room > peer_conn->promised ? room - peer_conn->promised : 0;
}
