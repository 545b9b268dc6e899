// SPDX-License-Identifier: MIT
/* TLS towards clients: a context per server block, made from its policy.
 *
 * Immutable once made, used by all loops. Made in the supervisor, too: a pair that does not match, or a
 * list of ciphers that nobody knows, is an error of the configuration. */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include "base/arena.h"
#include "base/log.h"
#include "tls/policy.h"

struct tls_server;
struct transport;

/* Starts OpenSSL, if nobody has; the first context does it. For main, so that no worker reads OpenSSL's files. Any thread. */
void tls_start(void);

/* What was wrong: nginx's sentence, and the file and line of the directive that is to blame. */
struct tls_complaint {
    struct text words;                   /* in the arena */
    const char *file;
    unsigned    line;
};

/* NULL, with *reterr_complaint set, when something in the policy cannot be. Freed with the arena. */
struct tls_server *tls_server_new(struct arena *arena, const struct tls_policy *policy,
                                  struct tls_complaint *reterr_complaint);

/* Who takes part in handshakes: the front, or a connector. Called from within transport->handshake(), and from
 * tls_connect(); may not destroy or close anything. */
struct tls_host {
    /* Server side: the server for this name (SNI, lower case; empty: none was sent). NULL: the handshake
     * is refused with unrecognized_name. */
    const struct tls_server *(*choose)(struct tls_host *host, struct text name);
    /* Server side, or NULL: what the templates of this pair say for this name; the texts stay until the host is asked
     * again. False: they cannot be evaluated; the handshake is refused. */
    bool (*evaluate)(struct tls_host *host, const struct tls_pair *pair, struct text name,
                     struct text *ret_certificate, struct text *ret_key);
    /* The handshake has failed; `words` as nginx writes them: `SSL_do_handshake() failed (SSL: error:...)`. */
    void (*failed)(struct tls_host *host, enum log_level level, const char *words);
};

/* A transport for fd that is to be the server's side. `first` may be NULL, if the host chooses. `early`: bytes that were read already (copied). fd stays the
 * caller's until the transport is closed. A transport with ops NULL: memory is short. */
struct transport tls_accept(int fd, const struct tls_server *first, struct tls_host *host,
                            struct text early);
/* The host is going, the connection stays: no calls any more. */
void tls_forget_host(struct transport *transport, struct tls_host *host);

#endif
