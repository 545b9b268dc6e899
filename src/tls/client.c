// SPDX-License-Identifier: MIT
/* A policy towards upstreams becomes a context. */
#include "tls/client_made.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tls/candidates.h"
#include "tls/library.h"
#include "tls/link.h"

/* For OpenSSL: whoever failed to verify is judged after the handshake, in nginx's words. */
static int verify_bear(int is_good, X509_STORE_CTX *chain)
{
    (void)is_good;
    (void)chain;
    return 1;
}

static int ticket_keep(SSL *ssl, SSL_SESSION *kept)
{
    const struct tls_link *link = link_of_ssl(ssl);

    if (link->memory != NULL)
        tls_memory_keep(link->memory, kept, link->identity, text_from(link->name));
    return 0;
}

/* With each text its length, so that no two policies are written alike. */
static void identity_add(struct writer *writer, struct text text)
{
    writer_u64(writer, text.len);
    writer_char(writer, ':');
    writer_text(writer, text);
}

/* Paths and templates of a pair with variables are not known here: such a context is like no other. */
static uint64_t identity_make(struct arena *arena, const struct tls_peer_policy *policy)
{
    static _Atomic uint64_t unique;
    struct writer           writer = writer_arena(arena, 4096);

    writer_format(&writer, "%u %d %d %u %d %d %d ", policy->versions, policy->has_server_name,
                  policy->is_verifying, policy->verify_depth, policy->is_reusing, policy->has_http2,
                  policy->must_be_http2);
    identity_add(&writer, policy->ciphers);
    identity_add(&writer, policy->trusted.text);
    identity_add(&writer, policy->crl.text);
    for (const struct tls_command *at = policy->commands; at != NULL; at = at->next) {
        identity_add(&writer, at->name);
        identity_add(&writer, at->value);
    }
    if (policy->pair != NULL) {
        identity_add(&writer, policy->pair->certificate.text);
        identity_add(&writer, policy->pair->key.text);
        if (policy->pair->certificate_template != NULL || policy->pair->key_template != NULL)
            writer_u64(&writer, atomic_fetch_add(&unique, 1));
    }
    return hash_text(writer_done(&writer));
}

static int pair_use(struct tls_setup *setup, struct tls_client *client)
{
    const struct tls_pair *pair = client->policy->pair;
    int                    error;

    if (pair == NULL)
        return 0;
    if (pair->certificate_template != NULL || pair->key_template != NULL) {
        client->candidates =
            tls_candidates_new(setup->arena, client->policy->candidates, client->policy->passwords);
        return 0;
    }
    setup->file = pair->file;
    setup->line = pair->line;
    error = tls_keypair_read(setup, &pair->certificate, &pair->key, client->policy->passwords,
                             &client->pair);
    if (error == 0 && SSL_CTX_use_cert_and_key(setup->made, client->pair->leaf, client->pair->key,
                                               client->pair->chain, 1) != 1)
        error = tls_complain(setup, "SSL_CTX_use_certificate(\"%.*s\") failed",
                             TEXT_ARGS(pair->certificate.path));
    return error;
}

static int verification_use(struct tls_setup *setup, const struct tls_peer_policy *policy)
{
    int error = tls_setup_trust(setup, &policy->trusted, false);

    if (error == 0)
        error = tls_setup_crl(setup, &policy->crl);
    if (policy->is_verifying) {
        SSL_CTX_set_verify(setup->made, SSL_VERIFY_PEER, verify_bear);
        SSL_CTX_set_verify_depth(setup->made, (int)policy->verify_depth);
    }
    return error;
}

static void basics_use(SSL_CTX *made, const struct tls_peer_policy *policy)
{
    static const unsigned char alpn[] = "\x02h2\x08http/1.1";

    SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_info_callback(made, tls_messages_count);
    if (policy->has_http2 || policy->must_be_http2)
        must(SSL_CTX_set_alpn_protos(made, alpn, policy->must_be_http2 ? 3 : sizeof(alpn) - 1) ==
             0);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    if (policy->is_reusing) {
        SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(made, ticket_keep);
    }
}

/* Undo of the arena. */
static void client_free(void *object)
{
    struct tls_client *client = object;

    SSL_CTX_free(client->made);
    tls_keypair_unref(&client->pair);
}

static int fill(struct tls_setup *setup, struct tls_client *client)
{
    const struct tls_peer_policy *policy = client->policy;
    int                           error = tls_setup_versions(setup, policy->versions);

    if (error == 0 && policy->ciphers.len > 0)
        error = tls_setup_ciphers(setup, arena_string(setup->arena, policy->ciphers));
    if (error == 0)
        error = pair_use(setup, client);
    setup->file = policy->file;
    setup->line = policy->line;
    if (error == 0)
        error = verification_use(setup, policy);
    if (error == 0)
        error = tls_setup_commands(setup, policy->commands, SSL_CONF_FLAG_CLIENT);
    return error;
}

struct tls_client *tls_client_new(struct arena *arena, const struct tls_peer_policy *policy,
                                  struct tls_complaint *reterr_complaint)
{
    struct tls_client *client = ARENA_NEW(arena, struct tls_client);
    struct tls_setup   setup = { .arena = arena, .complaint = reterr_complaint,
                                 .file = policy->file, .line = policy->line };

    tls_start();
    tls_errors_drop();
    client->policy = policy;
    client->made = setup.made = SSL_CTX_new(TLS_client_method());
    must(client->made != NULL);
    arena_defer(arena, client_free, client);
    client->identity = identity_make(arena, policy);
    basics_use(client->made, policy);
    if (fill(&setup, client) == 0)
        return client;
    tls_errors_drop();
    return NULL;
}

uint64_t tls_client_identity(const struct tls_client *client)
{
    return client->identity;
}
