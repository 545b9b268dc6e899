// SPDX-License-Identifier: MIT
/* What TLS towards upstreams is made of. Inside the layer. */
#ifndef TLS_CLIENT_MADE_H
#define TLS_CLIENT_MADE_H

#include "tls/client.h"
#include "tls/keypair.h"

struct tls_client {
    const struct tls_peer_policy *policy;
    SSL_CTX                      *made;
    struct tls_keypair           *pair;          /* or NULL */
    struct tls_candidates        *candidates;    /* of a pair with variables, or NULL */
    uint64_t                      identity;
};

/* peer_sessions.c: of a connection whose SSL has no session yet; it is the SSL's own then. */
void tls_memory_use(struct tls_memory *memory, SSL *ssl, uint64_t identity, struct text name);
/* Keeps a copy. */
void tls_memory_keep(struct tls_memory *memory, const SSL_SESSION *kept, uint64_t identity,
                     struct text name);

#endif
