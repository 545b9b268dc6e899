// SPDX-License-Identifier: MIT
/* From a socket to a protocol. */
#include "balance/line.h"

#include <errno.h>

#include "base/mem.h"
#include "http/h1_codec.h"
#include "http/h2_codec.h"
#include "net/socket.h"
#include "tls/info.h"

enum { WORDS_MOST = 400 };

static void give_up(struct line *line, int error)
{
    line->conn->error = error;
    conn_close(line->conn, LOSS_CLOSED);
}

/* ---- TLS ---- */

static bool evaluate(struct tls_host *host, const struct tls_pair *pair, struct text name,
                     struct text *ret_certificate, struct text *ret_key)
{
    const struct line_ask *ask = container_of(host, struct line, host)->ask;

    (void)pair;
    (void)name;
    *ret_certificate = ask->tls_certificate;
    *ret_key = ask->tls_key;
    return true;
}

static void failed(struct tls_host *host, enum log_level level, const char *words)
{
    struct line *line = container_of(host, struct line, host);
    size_t       len = text_from(words).len;

    (void)level;
    mem_free(line->words);
    line->words = mem_string(words, len < WORDS_MOST ? len : WORDS_MOST);
}

static void secure(struct line *line, const struct line_ask *ask, struct peer *peer)
{
    struct conn     *conn = line->conn;
    struct transport transport;

    line->is_securing = true;
    line->ask = ask;
    transport =
        tls_connect(conn->transport.fd, ask->tls, ask->tls_name, peer_sessions(peer), &line->host);
    line->ask = NULL;
    if (transport.ops == NULL)
        give_up(line, -ENOMEM);
    else
        conn_secure(conn, transport, loop_now_ms(conn->loop) + ask->connect_timeout_ms);
}

/* ---- the protocol ---- */

static void become_h2(struct line *line)
{
    line->codec = h2_client_new(line->settings);
    conn_become(line->conn, &line->codec->protocol);
    line->codec->ops->attach(line->codec, line->conn);
}

/* HTTP/2 where it is wanted: in clear the peer is known to speak it, over TLS it says so. */
static void speak(struct line *line, const struct line_ask *ask)
{
    struct transport *transport = &line->conn->transport;
    bool              is_h2 = ask->is_http2;

    tls_forget_host(transport, &line->host);
    if (is_h2 && tls_is_tls(transport))
        is_h2 = text_is_equal(tls_alpn(transport), TEXT("h2"));
    if (ask->must_be_http2 && !is_h2) {
        line->fault = FAULT_NO_HTTP2;
        give_up(line, -EPROTO);
        return;
    }
    if (is_h2)
        become_h2(line);
    line->is_securing = false;
    line->is_open = true;
}

void line_go_on(struct line *line, const struct line_ask *ask, struct peer *peer)
{
    const struct conn *conn = line->conn;

    if (line->is_open || conn->is_closed || conn->is_connecting || conn->is_securing)
        return;
    if (ask->tls != NULL && !line->is_securing)
        secure(line, ask, peer);
    else
        speak(line, ask);
}

/* ---- made ---- */

/* With a conn that could not be made its codec is gone, too. */
static int attach(struct line *line)
{
    if (line->conn == NULL)
        return -ENOMEM;
    line->conn->error_to = &line->error;
    line->codec->ops->attach(line->codec, line->conn);
    return 0;
}

int line_open(struct line *line, const struct address *address, const struct line_ask *ask,
              struct loop *loop, struct task *owner)
{
    bool is_in_progress;
    int  fd;

    line->error = socket_connect(address, ask->bind_to, &fd, &is_in_progress);
    if (line->error < 0)
        return line->error;
    if (ask->has_socket_keepalive)
        socket_set_keepalive(fd);
    line->host = (struct tls_host){ .evaluate = evaluate, .failed = failed };
    line->codec = h1_client_new();
    line->conn = conn_open(loop, fd, &line->codec->protocol, &ask->timeouts, owner,
                           loop_now_ms(loop) + ask->connect_timeout_ms);
    line->error = attach(line);
    if (line->error == 0 && ask->introduction.len > 0)
        conn_say_first(line->conn, ask->introduction);
    return line->error;
}

int line_adopt(struct line *line, int fd, const struct conn_timeouts *timeouts, struct loop *loop,
               struct task *owner)
{
    line->codec = h1_client_new();
    line->conn = conn_new(loop, fd, &line->codec->protocol, timeouts, owner);
    line->is_open = true;
    return attach(line);
}

/* ---- the end ---- */

enum fault line_fault_of(int error)
{
    switch (error) {
    case -EMFILE:
    case -ENFILE:
        return FAULT_NO_DESCRIPTORS;
    case -EUSERS:
        return FAULT_NO_CONNECTIONS;
    case -ECONNREFUSED:
        return FAULT_CONNECT_REFUSED;
    case -ETIMEDOUT:
        return FAULT_CONNECT_TIMEOUT;
    default:
        return FAULT_CONNECT_FAILED;
    }
}

enum fault line_fault(const struct line *line)
{
    if (line->fault != FAULT_NONE)
        return line->fault;
    if (line->is_open)
        return FAULT_PEER_CLOSED;
    if (line->is_securing)
        return line->error == -ETIMEDOUT ? FAULT_TLS_TIMEOUT : FAULT_TLS_HANDSHAKE;
    return line_fault_of(line->error);
}

void line_done(struct line *line)
{
    mem_free(line->words);
}
