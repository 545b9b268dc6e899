// SPDX-License-Identifier: MIT
/* TLS towards upstreams: a context per distinct policy, and the sessions that its servers gave us.
 * The context is immutable and used by all loops; a `tls_memory` has a lock of its own. */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include "tls/server.h"

struct tls_client;
struct tls_memory;                       /* sessions of one server (a peer), by context and name; bounded */

struct tls_client *tls_client_new(struct arena *arena, const struct tls_peer_policy *policy,
                                  struct tls_complaint *reterr_complaint);
/* Two locations whose connections to one peer may be shared have equal ones (made of the policy's text). */
uint64_t tls_client_identity(const struct tls_client *client);

struct tls_memory *tls_memory_new(void);
void               tls_memory_free(struct tls_memory **memory);

/* A transport for fd that is to be the client's side. `name`: for SNI and verification, as the policy says. `memory`
 * must outlive the transport; `client` need not. The host is asked here for a certificate with variables; what
 * fails here fails the handshake. A transport with ops NULL: memory is short. */
struct transport tls_connect(int fd, const struct tls_client *client, struct text name,
                             struct tls_memory *memory, struct tls_host *host);

#endif
