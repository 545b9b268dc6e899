// SPDX-License-Identifier: MIT
#include "proxy/opening.h"

#include <string.h>

#include "base/pool.h"
#include "proxy/client.h"
#include "proxy/client_log.h"
#include "proxy/imagined.h"
#include "proxy/preface.h"
#include "proxy/route.h"
#include "tls/info.h"

enum { TLS_HANDSHAKE_RECORD = 0x16, NAME_MOST = 255 };

/* How a client begins who knows that we speak HTTP/2 (RFC 9113 3.4). */
#define H2_PREFACE TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

/* Owner: its conn. */
struct opening {
    struct protocol protocol;
    struct tls_host host;
    struct client  *client;
    const struct listen *listen;         /* of the configuration that the handshake is by */
    struct arena   *arena;               /* for variables in certificates' names, or NULL */
    bool            has_header;          /* the PROXY header is still to come */
    bool            is_securing;
};

static struct pool pool = POOL("opening", struct opening, 64);

static struct opening *opening_of(struct protocol *protocol)
{
    return container_of(protocol, struct opening, protocol);
}

/* ---- TLS ---- */

/* One without a certificate of its own shows the default server's, as in nginx. */
static const struct tls_server *choose(struct tls_host *host, struct text name)
{
    const struct listen     *listen = container_of(host, struct opening, host)->listen;
    const struct tls_server *named = route_server(listen, name, NULL)->tls;

    return named != NULL ? named : listen->servers[0]->tls;
}

/* The request of this exchange is the handshake: all that is known is the name. */
static struct exchange *exchange_of_name(struct opening *opening, struct text name)
{
    struct client       *client = opening->client;
    const struct listen *listen = opening->listen;
    struct head         *head;
    struct exchange     *x;

    if (opening->arena == NULL)
        opening->arena = arena_new();
    head = ARENA_NEW(opening->arena, struct head);
    head_init(head, opening->arena, 0);
    x = exchange_imagine(opening->arena, client->conn->loop, client->secured_by, listen, head);
    x->client_conn = client;
    x->is_tls = true;
    x->asked_name = arena_copy(opening->arena, name);
    x->host = x->asked_name;
    x->server = route_server(listen, x->host, &x->scope);
    x->location = &x->server->level;
    return x;
}

static bool evaluate(struct tls_host *host, const struct tls_pair *pair, struct text name,
                     struct text *ret_certificate, struct text *ret_key)
{
    struct exchange *x = exchange_of_name(container_of(host, struct opening, host), name);

    *ret_certificate = template_eval(pair->certificate_template, &x->scope);
    *ret_key = template_eval(pair->key_template, &x->scope);
    return true;
}

static void failed(struct tls_host *host, enum log_level level, const char *words)
{
    client_log(container_of(host, struct opening, host)->client, level,
               "%s while SSL handshaking", words);
}

/* -1: there is no memory for it. */
static ssize_t secure(struct opening *opening, struct text bytes)
{
    struct client       *client = opening->client;
    struct conn         *conn = client->conn;
    uint32_t             most_ms = conn->timeouts.waits_ms[CONN_WAIT_HEAD];
    const struct server *first = client_listen(client)->servers[0];
    struct transport     transport =
        tls_accept(conn->transport.fd, first->tls, &opening->host, bytes);

    if (transport.ops == NULL) {
        client_log(client, LOG_ERROR, "no memory for a TLS connection");
        return -1;
    }
    opening->is_securing = true;
    opening->listen = client_listen(client);
    client_secures(client);
    conn_secure(conn, transport, most_ms == 0 ? INT64_MAX : loop_now_ms(conn->loop) + most_ms);
    return (ssize_t)bytes.len;
}

void opening_secured(struct client *client)
{
    struct opening *opening = opening_of(client->conn->protocol);
    struct text     spoken = tls_alpn(&client->conn->transport);

    tls_forget_host(&client->conn->transport, &opening->host);
    client_speaks(client, text_is_equal(spoken, TEXT("h2")));
}

/* ---- bytes in ---- */

/* Whether all that has come so far may be the beginning of it. */
static bool may_be_h2(struct text bytes)
{
    size_t len = bytes.len < H2_PREFACE.len ? bytes.len : H2_PREFACE.len;

    return memcmp(bytes.ptr, H2_PREFACE.ptr, len) == 0;
}

/* In clear: a codec's turn, of whom nothing is taken. */
static ssize_t choose_codec(struct opening *opening, struct text bytes)
{
    struct client *client = opening->client;
    bool           is_h2 = client_listen(client)->is_http2 && may_be_h2(bytes);

    if (is_h2 && bytes.len < H2_PREFACE.len)
        return 0;
    client_speaks(client, is_h2);
    return 0;
}

static ssize_t opening_feed(struct protocol *protocol, struct slice bytes)
{
    struct opening      *opening = opening_of(protocol);
    const struct listen *listen = client_listen(opening->client);
    struct text          text = slice_text(bytes);
    ssize_t              header = 0, used;

    if (opening->has_header) {
        header = preface_read(opening->client, text);
        if (header <= 0)
            return header;
        opening->has_header = false;
        opening->client->conn->since_ms = loop_now_ms(opening->client->conn->loop);
        text = text_from_offset(text, (size_t)header);
        if (text.len == 0)
            return header;
    }
    /* Plain HTTP to a port of TLS is answered by the exchange. */
    if (listen->is_ssl && text.ptr[0] == TLS_HANDSHAKE_RECORD)
        used = secure(opening, text);
    else
        used = choose_codec(opening, text);
    return used < 0 ? -1 : header + used;
}

/* ---- ends ---- */

static const char *doing(const struct opening *opening)
{
    return opening->has_header    ? "reading PROXY protocol"
           : opening->is_securing ? "SSL handshaking"
                                  : "waiting for request";
}

static void end(struct opening *opening)
{
    opening->protocol.is_closing = true;
    task_wake(opening->protocol.conn, WAKE_END);
}

static void opening_finish(struct protocol *protocol)
{
    struct opening *opening = opening_of(protocol);

    client_log(opening->client, LOG_INFO, "client closed connection while %s", doing(opening));
    end(opening);
}

static void opening_expire(struct protocol *protocol, enum conn_wait wait)
{
    struct opening *opening = opening_of(protocol);

    (void)wait;
    client_log(opening->client, LOG_INFO, "client timed out (110: Connection timed out) while %s",
               doing(opening));
    end(opening);
}

static void opening_lost(struct protocol *protocol, enum loss why)
{
    struct opening *opening = opening_of(protocol);

    if (!opening->is_securing)
        return;
    tls_forget_host(&opening->client->conn->transport, &opening->host);
    if (why == LOSS_TIMEOUT)
        client_log(opening->client, LOG_INFO,
                   "client timed out (110: Connection timed out) while SSL handshaking");
}

/* ---- nothing is said meanwhile ---- */

static int opening_fill(struct protocol *protocol, struct iovec *ret_iov, int most)
{
    (void)protocol;
    (void)ret_iov;
    (void)most;
    return 0;
}

static void opening_sent(struct protocol *protocol, size_t len)
{
    (void)protocol;
    (void)len;
}

static enum conn_wait opening_wait(const struct protocol *protocol)
{
    (void)protocol;
    return CONN_WAIT_HEAD;
}

static bool opening_is_held(const struct protocol *protocol)
{
    (void)protocol;
    return false;
}

static void opening_free(struct protocol **protocol)
{
    struct opening *opening = opening_of(*protocol);

    *protocol = NULL;
    if (opening->arena != NULL)
        arena_free(&opening->arena);
    pool_give(&pool, opening);
}

static const struct protocol_ops opening_protocol = {
    .feed = opening_feed,
    .finish = opening_finish,
    .fill = opening_fill,
    .sent = opening_sent,
    .wait = opening_wait,
    .expire = opening_expire,
    .lost = opening_lost,
    .is_held = opening_is_held,
    .free = opening_free,
};

bool opening_is_due(const struct listen *listen)
{
    return listen->has_proxy_protocol || listen->is_ssl || listen->is_http2;
}

struct protocol *opening_new(struct client *client)
{
    struct opening *opening = pool_take(&pool);

    opening->protocol.ops = &opening_protocol;
    opening->host = (struct tls_host){ .choose = choose, .evaluate = evaluate, .failed = failed };
    opening->client = client;
    opening->has_header = client_listen(client)->has_proxy_protocol;
    return &opening->protocol;
}

bool opening_is(const struct protocol *protocol)
{
    return protocol->ops == &opening_protocol;
}
