// SPDX-License-Identifier: MIT
/* $ssl_* variables: what the client's connection agreed on, and whom its certificate names. */
#ifndef PROXY_VARIABLES_TLS_H
#define PROXY_VARIABLES_TLS_H

#include "expr/scope.h"
#include "tls/info.h"

/* Of the connection itself. */
enum ssl_fact {
    SSL_ALPN = 0, SSL_CIPHER, SSL_CIPHERS, SSL_CURVE, SSL_CURVES, SSL_EARLY_DATA, SSL_PROTOCOL,
    SSL_SERVER_NAME, SSL_SESSION_ID, SSL_SESSION_REUSED
};
struct text variable_of_tls(struct scope *scope, const struct variable *self);      /* slot: enum ssl_fact */
/* Of the client's certificate. */
struct text variable_of_client(struct scope *scope, const struct variable *self);   /* slot: enum tls_client_fact */

#endif
