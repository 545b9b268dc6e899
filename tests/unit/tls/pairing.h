// SPDX-License-Identifier: MIT
/* Both sides of a TLS connection over a socket pair, on one thread: driven in turn until they are through. */
#ifndef TESTS_UNIT_TLS_PAIRING_H
#define TESTS_UNIT_TLS_PAIRING_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "certs.h"
#include "net/transport.h"
#include "tls/client.h"
#include "tls/info.h"

/* A host that remembers what it was told and answers what it was told to. */
struct listener {
    struct tls_host          host;
    const struct tls_server *chosen;
    bool                     is_choosing;      /* otherwise `chosen` is not used */
    char                     name[256];        /* the SNI that came */
    unsigned                 asked;
    char                     words[1024];      /* of the failure */
    enum log_level           level;
    const char              *certificate, *key;   /* what templates say; NULL: they fail */
};

struct pairing {
    struct transport server, client;
    struct listener  at_server, at_client;
    int              server_error, client_error;
};

static inline const struct tls_server *listener_choose(struct tls_host *host, struct text name)
{
    struct listener *listener = container_of(host, struct listener, host);

    listener->asked++;
    (void)snprintf(listener->name, sizeof(listener->name), "%.*s", TEXT_ARGS(name));
    return listener->chosen;
}

static inline bool listener_evaluate(struct tls_host *host, const struct tls_pair *pair,
                                     struct text name, struct text *ret_certificate,
                                     struct text *ret_key)
{
    struct listener *listener = container_of(host, struct listener, host);

    (void)pair;
    (void)name;
    *ret_certificate = text_from(listener->certificate);
    *ret_key = text_from(listener->key);
    return listener->certificate != NULL;
}

static inline void listener_failed(struct tls_host *host, enum log_level level, const char *words)
{
    struct listener *listener = container_of(host, struct listener, host);

    listener->level = level;
    (void)snprintf(listener->words, sizeof(listener->words), "%s", words);
}

static inline void listener_start(struct listener *listener)
{
    listener->host = (struct tls_host){ .failed = listener_failed, .evaluate = listener_evaluate };
    if (listener->is_choosing)
        listener->host.choose = listener_choose;
}

static inline void sockets_make(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
}

/* Sides are made; nothing is sent yet. at_server and at_client are filled in by the test before. */
static inline void pairing_open(struct pairing *pairing, const struct tls_server *server,
                                const struct tls_client *client, const char *name,
                                struct tls_memory *memory)
{
    int ends[2];

    sockets_make(ends);
    listener_start(&pairing->at_server);
    listener_start(&pairing->at_client);
    pairing->server = tls_accept(ends[0], server, &pairing->at_server.host, TEXT_NONE);
    pairing->client = tls_connect(ends[1], client, text_from(name), memory, &pairing->at_client.host);
    assert_non_null(pairing->server.ops);
    assert_non_null(pairing->client.ops);
    pairing->server_error = pairing->client_error = -EAGAIN;
}

static inline bool is_over(int error)
{
    return error != -EAGAIN;
}

/* Until both are over, one way or the other. */
static inline void pairing_shake(struct pairing *pairing)
{
    for (unsigned i = 0; i < 1000 && !(is_over(pairing->server_error) && is_over(pairing->client_error)); i++) {
        if (!is_over(pairing->client_error))
            pairing->client_error = pairing->client.ops->handshake(&pairing->client);
        if (!is_over(pairing->server_error))
            pairing->server_error = pairing->server.ops->handshake(&pairing->server);
        if (pairing->client_error < 0 && pairing->client_error != -EAGAIN)
            (void)shutdown(pairing->client.fd, SHUT_WR);
        if (pairing->server_error < 0 && pairing->server_error != -EAGAIN)
            (void)shutdown(pairing->server.fd, SHUT_WR);
    }
    pairing->client.is_quiet = pairing->server.is_quiet = false;   /* what the tests send comes later */
}

static inline void pairing_close(struct pairing *pairing)
{
    if (pairing->client.state != NULL)
        pairing->client.ops->close(&pairing->client);
    if (pairing->server.state != NULL)
        pairing->server.ops->close(&pairing->server);
}

/* All of `bytes` through `from`; the other side reads meanwhile. What arrived is compared. */
static inline void pairing_send(struct transport *from, struct transport *to, const char *bytes, size_t len)
{
    char   *got = mem_new(len + 1);
    size_t  out = 0, in = 0;
    ssize_t n;

    for (unsigned i = 0; in < len; i++) {
        struct iovec iov = { .iov_base = (char *)bytes + out, .iov_len = len - out };

        assert_true(i < 1000000);
        if (from->has_unsent)
            (void)from->ops->flush(from);
        if (out < len) {
            n = from->ops->write(from, &iov, 1);
            assert_true(n > 0 || n == -EAGAIN);
            out += n > 0 ? (size_t)n : 0;
        }
        n = to->ops->read(to, got + in, len + 1 - in);
        assert_true(n > 0 || n == -EAGAIN);
        in += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(in, len);
    assert_memory_equal(got, bytes, len);
    mem_free(got);
}

static inline void pairing_talk(struct pairing *pairing)
{
    pairing_send(&pairing->client, &pairing->server, "GET / HTTP/1.1\r\n\r\n", 18);
    pairing_send(&pairing->server, &pairing->client, "HTTP/1.1 200 OK\r\n\r\n", 19);
}

static inline struct tls_policy policy_of(struct tls_pair *pairs)
{
    return (struct tls_policy){ .pairs = pairs, .versions = TLS_VERSION_1_2 | TLS_VERSION_1_3,
                                .has_tickets = true, .session_timeout_s = 300, .verify_depth = 1,
                                .buffer_size = 16384, .file = "a.conf", .line = 3 };
}

static inline struct tls_peer_policy peer_policy(void)
{
    return (struct tls_peer_policy){ .versions = TLS_VERSION_1_2 | TLS_VERSION_1_3,
                                     .has_server_name = true, .is_reusing = true, .verify_depth = 1,
                                     .file = "a.conf", .line = 9 };
}

static inline struct tls_pair pair_of(const struct cert *cert)
{
    return (struct tls_pair){ .certificate = { .path = TEXT("/cert.pem"), .text = cert->pem },
                              .key = { .path = TEXT("/key.pem"), .text = cert->key_pem },
                              .file = "b.conf", .line = 5 };
}

static inline struct tls_server *server_of(struct arena *arena, const struct tls_policy *policy)
{
    struct tls_complaint complaint = { .words = TEXT_NONE };
    struct tls_server   *server = tls_server_new(arena, policy, &complaint);

    if (server == NULL)
        fail_msg("%.*s", TEXT_ARGS(complaint.words));
    return server;
}

static inline struct tls_client *client_of(struct arena *arena, const struct tls_peer_policy *policy)
{
    struct tls_complaint complaint = { .words = TEXT_NONE };
    struct tls_client   *client = tls_client_new(arena, policy, &complaint);

    if (client == NULL)
        fail_msg("%.*s", TEXT_ARGS(complaint.words));
    return client;
}

#endif
