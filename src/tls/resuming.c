// SPDX-License-Identifier: MIT
/* How a server finds sessions again: in tickets that clients keep, or by their id in what its zone remembers. A
 * session carries the identity of its server; OpenSSL resumes none of another. */
#include "tls/server_made.h"

#include <string.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/hash.h"
#include "tls/link.h"
#include "tls/replay.h"
#include "tls/resumables.h"

enum { EARLY_BYTES = 16384 };

static struct tls_server *server_of(SSL_CTX *made)
{
    return SSL_CTX_get_app_data(made);
}

static struct text id_of(const SSL_SESSION *kept)
{
    unsigned int         len;
    const unsigned char *id = SSL_SESSION_get_id(kept, &len);

    return text_of((const char *)id, len);
}

/* Called for stateless tickets of TLS 1.3 too, where there is nothing to remember. */
static int remember(SSL *ssl, SSL_SESSION *kept)
{
    struct tls_server *server = server_of(SSL_get_SSL_CTX(ssl));
    unsigned char      bytes[TLS_RESUMABLE_MOST], *at = bytes;
    int                len;

    if (server->seals != NULL && SSL_version(ssl) == TLS1_3_VERSION)
        return 0;
    len = i2d_SSL_SESSION(kept, NULL);
    if (len <= 0 || len > TLS_RESUMABLE_MOST)
        return 0;
    (void)i2d_SSL_SESSION(kept, &at);
    tls_resumables_add(server->resumables, id_of(kept), text_of((const char *)bytes, (size_t)len),
                       clock_mono_ms() + SSL_SESSION_get_timeout(kept) * 1000);
    return 0;
}

static SSL_SESSION *recall(SSL *ssl, const unsigned char *id, int id_len, int *ret_copy)
{
    struct tls_server   *server = server_of(SSL_get_SSL_CTX(ssl));
    unsigned char        bytes[TLS_RESUMABLE_MOST];
    const unsigned char *at = bytes;
    size_t               len;

    *ret_copy = 0;
    len = tls_resumables_get(server->resumables, text_of((const char *)id, (size_t)id_len), bytes);
    return len == 0 ? NULL : d2i_SSL_SESSION(NULL, &at, (long)len);
}

static void forget(SSL_CTX *made, SSL_SESSION *kept)
{
    tls_resumables_remove(server_of(made)->resumables, id_of(kept));
}

/* 2: a new ticket follows. Always in TLS 1.3, where clients use one only once (RFC 8446 C.4). */
static int seal_use(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, int is_sealing)
{
    struct tls_server *server = server_of(SSL_get_SSL_CTX(ssl));
    int result = tls_ticket_seals_use(server->seals, name, iv, cipher, mac, is_sealing != 0);

    return result == 1 && !is_sealing && SSL_version(ssl) == TLS1_3_VERSION ? 2 : result;
}

static int early_allow(SSL *ssl, void *argument)
{
    unsigned char random[SSL3_RANDOM_SIZE];

    (void)argument;
    if (SSL_get_client_random(ssl, random, sizeof(random)) != sizeof(random))
        return 0;
    return tls_replay_first(text_of((const char *)random, sizeof(random)),
                            SSL_SESSION_get_time(SSL_get0_session(ssl)));
}

/* OpenSSL's own guard makes tickets stateful and remembers each: ours (replay.h) leaves them with the clients. */
static void early_set(SSL_CTX *made)
{
    tls_replay_start();
    SSL_CTX_set_options(made, SSL_OP_NO_ANTI_REPLAY);
    SSL_CTX_set_max_early_data(made, EARLY_BYTES);
    SSL_CTX_set_recv_max_early_data(made, EARLY_BYTES);
    SSL_CTX_set_allow_early_data_cb(made, early_allow, NULL);
}

static int tickets_set(struct tls_setup *setup, struct tls_server *server)
{
    const struct tls_policy *policy = server->policy;

    if (!policy->has_tickets) {
        SSL_CTX_set_options(server->made, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(server->made, policy->cache == TLS_CACHE_SHARED ? 1 : 0);
        return 0;
    }
    SSL_CTX_set_num_tickets(server->made, 1);
    server->seals = tls_ticket_seals_new(setup, policy->ticket_keys, server->identity);
    if (server->seals == NULL)
        return -1;
    SSL_CTX_set_tlsext_ticket_key_evp_cb(server->made, seal_use);
    return 0;
}

static void *zone_build(void *argument)
{
    return tls_resumables_new(*(const uint64_t *)argument);
}

static void zone_destroy(void *state)
{
    struct tls_resumables *all = state;

    tls_resumables_free(&all);
}

static void resumables_set(struct tls_server *server)
{
    uint64_t    bytes = server->policy->cache_bytes;
    struct text size = text_of((const char *)&bytes, sizeof(bytes));

    server->zone = zone_ref("tls sessions", server->policy->cache_name, hash_text(size), zone_build,
                            &bytes, zone_destroy);
    server->resumables = zone_state(server->zone);
    SSL_CTX_set_session_cache_mode(server->made, SSL_SESS_CACHE_SERVER |
                                                     SSL_SESS_CACHE_NO_INTERNAL |
                                                     SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_new_cb(server->made, remember);
    SSL_CTX_sess_set_get_cb(server->made, recall);
    SSL_CTX_sess_set_remove_cb(server->made, forget);
}

int tls_server_remember(struct tls_setup *setup, struct tls_server *server)
{
    const struct tls_policy *policy = server->policy;

    SSL_CTX_set_app_data(server->made, server);
    must(SSL_CTX_set_session_id_context(server->made, server->identity, TLS_IDENTITY_BYTES) == 1);
    SSL_CTX_set_timeout(server->made, policy->session_timeout_s);
    SSL_CTX_set_session_cache_mode(server->made, SSL_SESS_CACHE_OFF);
    if (policy->cache == TLS_CACHE_SHARED)
        resumables_set(server);
    if (policy->has_early_data)
        early_set(server->made);
    return tickets_set(setup, server);
}
