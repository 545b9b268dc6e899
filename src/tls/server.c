// SPDX-License-Identifier: MIT
/* A policy becomes a context. All that a handshake needs hangs on it, since the server is chosen before
 * OpenSSL sees the first byte (hello.h): nothing is ever switched in the middle of a handshake. */
#include "tls/server_made.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "tls/candidates.h"
#include "tls/library.h"
#include "tls/stapling.h"

/* Mozilla's intermediate list, and its order: AES-128 is as safe for all that TLS protects and quicker, above all in
 * its key schedule (SHA-256); a client that would rather have ChaCha20 gets it. With a list of the administrator's the
 * order is the client's unless he says otherwise, as with nginx. With ssl_dhparam also for clients without curves. */
#define OUR_CIPHERS                                                                            \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define OUR_DH_CIPHERS ":DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384"
/* For who asks for TLS 1.0 or 1.1: nginx's default. */
#define OLD_CIPHERS "HIGH:!aNULL:!MD5"
#define OUR_SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define OUR_CURVES "X25519:P-256:P-384"

static void hash_add(EVP_MD_CTX *hash, const void *bytes, uint64_t len)
{
    must(EVP_DigestUpdate(hash, &len, sizeof(len)) == 1);
    must(EVP_DigestUpdate(hash, bytes, len) == 1);
}

static void hash_file(EVP_MD_CTX *hash, const struct tls_file *file)
{
    hash_add(hash, file->text.ptr, file->text.len);
}

/* Of what decides whether a client gets in, and with which certificate. */
static void rules_hash(EVP_MD_CTX *hash, const struct tls_policy *policy)
{
    uint32_t numbers[2] = { policy->verify, policy->verify_depth };

    if (policy->verify == TLS_VERIFY_OFF)
        return;
    hash_add(hash, numbers, sizeof(numbers));
    hash_file(hash, &policy->client_cas);
    hash_file(hash, &policy->trusted);
    hash_file(hash, &policy->crl);
}

static void identities_make(struct tls_server *server)
{
    const struct tls_policy *policy = server->policy;
    EVP_MD_CTX              *hash = EVP_MD_CTX_new();

    must(EVP_DigestInit_ex(hash, tls_sha256(), NULL) == 1);
    rules_hash(hash, policy);
    must(EVP_DigestFinal_ex(hash, server->rules, NULL) == 1);
    must(EVP_DigestInit_ex(hash, tls_sha256(), NULL) == 1);
    rules_hash(hash, policy);
    for (const struct tls_pair *pair = policy->pairs; pair != NULL; pair = pair->next)
        if (pair->certificate_template == NULL)
            hash_file(hash, &pair->certificate);
        else {
            hash_add(hash, policy->file, policy->file == NULL ? 0 : strlen(policy->file));
            hash_add(hash, &policy->line, sizeof(policy->line));
        }
    must(EVP_DigestFinal_ex(hash, server->identity, NULL) == 1);
    EVP_MD_CTX_free(hash);
}

static int pair_add(struct tls_setup *setup, struct tls_server *server, const struct tls_pair *pair)
{
    struct tls_keypair **slot = &server->pairs[server->pair_count];
    int                  error;

    setup->file = pair->file;
    setup->line = pair->line;
    error =
        tls_keypair_read(setup, &pair->certificate, &pair->key, server->policy->passwords, slot);
    if (error != 0)
        return error;
    server->pair_count++;
    if (SSL_CTX_use_cert_and_key(setup->made, (*slot)->leaf, (*slot)->key, (*slot)->chain, 1) != 1)
        return tls_complain(setup, "SSL_CTX_use_certificate(\"%.*s\") failed",
                            TEXT_ARGS(pair->certificate.path));
    return 0;
}

static int pairs_add(struct tls_setup *setup, struct tls_server *server)
{
    unsigned count = 0;
    int      error = 0;

    for (const struct tls_pair *pair = server->policy->pairs; pair != NULL; pair = pair->next)
        count++;
    server->pairs = ARENA_ARRAY(setup->arena, struct tls_keypair *, count + 1);
    for (const struct tls_pair *pair = server->policy->pairs; pair != NULL && error == 0;
         pair = pair->next) {
        if (pair->certificate_template == NULL && pair->key_template == NULL)
            error = pair_add(setup, server, pair);
        else
            server->has_templates = true;
    }
    if (server->has_templates && error == 0)
        server->candidates =
            tls_candidates_new(setup->arena, server->policy->candidates, server->policy->passwords);
    return error;
}

static int dhparam_add(struct tls_setup *setup, const struct tls_file *file)
{
    BIO      *reader;
    EVP_PKEY *params;

    if (file->path.len == 0)
        return 0;
    reader = tls_reader(file->text);
    params = PEM_read_bio_Parameters(reader, NULL);
    BIO_free(reader);
    if (params == NULL)
        return tls_complain(setup, "PEM_read_bio_Parameters(\"%.*s\") failed",
                            TEXT_ARGS(file->path));
    if (SSL_CTX_set0_tmp_dh_pkey(setup->made, params) == 1)
        return 0;
    EVP_PKEY_free(params);
    return tls_complain(setup, "SSL_CTX_set0_tmp_dh_pkey(\"%.*s\") failed", TEXT_ARGS(file->path));
}

static int algorithms_set(struct tls_setup *setup, const struct tls_policy *policy)
{
    const char *ciphers = policy->dhparam.path.len > 0 ? OUR_CIPHERS OUR_DH_CIPHERS : OUR_CIPHERS;
    int         error;

    if (policy->versions & (TLS_VERSION_1_0 | TLS_VERSION_1_1))
        ciphers = OLD_CIPHERS;
    if (policy->ciphers.len > 0)
        ciphers = arena_string(setup->arena, policy->ciphers);
    error = tls_setup_versions(setup, policy->versions);
    if (error == 0)
        error = tls_setup_ciphers(setup, ciphers);
    if (error == 0)
        error = tls_setup_curves(setup, policy->curves.len > 0
                                            ? arena_string(setup->arena, policy->curves)
                                            : OUR_CURVES);
    if (error == 0)
        error = dhparam_add(setup, &policy->dhparam);
    must(SSL_CTX_set_ciphersuites(setup->made, OUR_SUITES) == 1);
    if (policy->prefers_server_ciphers || policy->ciphers.len == 0)
        SSL_CTX_set_options(setup->made,
                            SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    return error;
}

/* A certificate that does not verify ends no handshake: the request is answered, and says why. */
static int verify_bear(int is_good, X509_STORE_CTX *chain)
{
    (void)is_good;
    (void)chain;
    return 1;
}

static int verification_set(struct tls_setup *setup, const struct tls_policy *policy)
{
    bool is_asking = policy->verify != TLS_VERIFY_OFF;
    int  error = tls_setup_trust(setup, &policy->client_cas, is_asking);

    if (error == 0)
        error = tls_setup_trust(setup, &policy->trusted, false);
    if (error == 0)
        error = tls_setup_crl(setup, &policy->crl);
    if (is_asking) {
        SSL_CTX_set_verify(setup->made, SSL_VERIFY_PEER, verify_bear);
        SSL_CTX_set_verify_depth(setup->made, (int)policy->verify_depth);
    }
    return error;
}

static void basics_set(SSL_CTX *made)
{
    SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_SINGLE_DH_USE);
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_quiet_shutdown(made, 0);
}

/* Undo of the arena. */
static void server_free(void *object)
{
    struct tls_server *server = object;

    SSL_CTX_free(server->made);
    for (unsigned i = 0; i < server->pair_count; i++)
        tls_keypair_unref(&server->pairs[i]);
    zone_unref(&server->zone);
}

static int fill(struct tls_setup *setup, struct tls_server *server)
{
    const struct tls_policy *policy = server->policy;
    int                      error = algorithms_set(setup, policy);

    if (error == 0)
        error = pairs_add(setup, server);
    setup->file = policy->file;
    setup->line = policy->line;
    if (error == 0)
        error = verification_set(setup, policy);
    identities_make(server);
    if (error == 0)
        error = tls_server_remember(setup, server);
    if (error == 0)
        error = tls_server_staple(setup, server);
    tls_server_hook(server);
    if (error == 0)
        error = tls_setup_commands(setup, policy->commands,
                                   SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CLIENT);
    return error;
}

struct tls_server *tls_server_new(struct arena *arena, const struct tls_policy *policy,
                                  struct tls_complaint *reterr_complaint)
{
    struct tls_server *server = ARENA_NEW(arena, struct tls_server);
    struct tls_setup   setup = { .arena = arena, .complaint = reterr_complaint,
                                 .file = policy->file, .line = policy->line };

    tls_start();
    tls_errors_drop();
    server->policy = policy;
    server->made = setup.made = SSL_CTX_new(TLS_server_method());
    must(server->made != NULL);
    arena_defer(arena, server_free, server);
    basics_set(server->made);
    if (fill(&setup, server) == 0)
        return server;
    tls_errors_drop();
    return NULL;
}
