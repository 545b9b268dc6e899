// SPDX-License-Identifier: MIT
/* The client's side of a handshake, and whether it has met whom it wanted to meet. */
#include "tls/link.h"

#include <arpa/inet.h>
#include <errno.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "tls/candidates.h"
#include "tls/client_made.h"
#include "tls/library.h"

static bool is_ip(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* "[::1]" is an address as well. */
static struct text name_bare(struct text name)
{
    if (name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        return text_part(name, 1, name.len - 2);
    return name;
}

static int template_use(struct tls_link *link, const struct tls_client *client,
                        struct writer *words)
{
    const struct tls_pair *pair = client->policy->pair;
    struct tls_keypair    *found;
    struct text            certificate, key;
    int                    is_used;

    if (link->host == NULL || link->host->evaluate == NULL ||
        !link->host->evaluate(link->host, pair, text_from(link->name), &certificate, &key)) {
        writer_string(words, "cannot evaluate the path of a certificate");
        return -EINVAL;
    }
    if (certificate.len == 0)            /* as nginx: then none is sent */
        return 0;
    found = tls_candidates_find(client->candidates, certificate, key, words);
    if (found == NULL)
        return -EINVAL;
    is_used = SSL_use_cert_and_key(link->ssl, found->leaf, found->key, found->chain, 1);
    tls_keypair_unref(&found);
    return is_used == 1 ? 0 : -EINVAL;
}

/* The transport outlives the configuration: what it needs of the context it has from here on. */
static int ssl_make(struct tls_link *link, const struct tls_client *client)
{
    const struct tls_peer_policy *policy = client->policy;

    link->identity = client->identity;
    link->is_verifying = policy->is_verifying;
    link->ssl = SSL_new(client->made);
    if (link->ssl == NULL || wire_attach(link) != 0)
        return -ENOMEM;
    tls_link_count(link, TLS_HELD_SHAKING);
    SSL_set_app_data(link->ssl, link);
    SSL_set_connect_state(link->ssl);
    if (policy->has_server_name && *link->name != '\0' && !is_ip(link->name) &&
        SSL_set_tlsext_host_name(link->ssl, link->name) != 1)
        return -EINVAL;
    if (link->memory != NULL && policy->is_reusing)
        tls_memory_use(link->memory, link->ssl, link->identity, text_from(link->name));
    return 0;
}

static void certificate_use(struct tls_link *link, const struct tls_client *client)
{
    char          words[1024] = "";
    struct writer writer = writer_fixed(words, sizeof(words) - 1);

    if (client->candidates == NULL || template_use(link, client, &writer) == 0)
        return;
    tls_say(link, LOG_ERROR, words);
    link->stage = TLS_STAGE_BROKEN;
    link->error = -EPROTO;
}

struct transport tls_connect(int fd, const struct tls_client *client, struct text name,
                             struct tls_memory *memory, struct tls_host *host)
{
    struct transport transport = { .ops = NULL, .fd = fd };
    struct tls_link *link = tls_link_new();

    name = name_bare(name);
    *link = (struct tls_link){ .fd = fd, .is_client = true, .host = host, .memory = memory,
                               .name = mem_string(name.ptr, name.len), .stage = TLS_STAGE_SHAKING };
    if (ssl_make(link, client) != 0) {
        tls_errors_drop();
        tls_link_free(link);
        return transport;
    }
    certificate_use(link, client);
    transport.ops = &transport_tls;
    transport.state = link;
    return transport;
}

static bool is_named(X509 *leaf, const char *name)
{
    if (is_ip(name))
        return X509_check_ip_asc(leaf, name, 0) == 1;
    return X509_check_host(leaf, name, 0, 0, NULL) == 1;
}

/* The certificate is judged before anything is sent to who showed it. */
static int peer_judge(struct tls_link *link)
{
    long          result = SSL_get_verify_result(link->ssl);
    X509         *leaf = SSL_get0_peer_certificate(link->ssl);
    char          words[512] = "";
    struct writer writer = writer_fixed(words, sizeof(words) - 1);

    if (!link->is_verifying)
        return 0;
    if (result != X509_V_OK)
        writer_format(&writer, "upstream SSL certificate verify error: (%ld:%s)", result,
                      X509_verify_cert_error_string(result));
    else if (leaf == NULL || !is_named(leaf, link->name))
        writer_format(&writer, "upstream SSL certificate does not match \"%s\"", link->name);
    else
        return 0;
    tls_errors_drop();
    wire_drop();
    tls_say(link, LOG_ERROR, words);
    link->stage = TLS_STAGE_BROKEN;
    link->error = -EPROTO;
    return -EPROTO;
}

int tls_connect_step(struct tls_link *link)
{
    int result = SSL_do_handshake(link->ssl), error;

    if (result != 1)
        return tls_step_failed(link, "SSL_do_handshake()", result);
    error = peer_judge(link);
    if (error == 0)
        link->stage = TLS_STAGE_OPEN;
    return error;
}
