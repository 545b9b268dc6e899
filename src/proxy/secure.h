// SPDX-License-Identifier: MIT
/* May a request be answered on the connection that it came by? What TLS has to say of that. */
#ifndef PROXY_SECURE_H
#define PROXY_SECURE_H

#include "proxy/exchange.h"
#include "tls/info.h"

/* nginx's numbers for what its error_page may want to catch; the client is told 400. */
enum { STATUS_CERT_ERROR = 495, STATUS_NO_CERT = 496, STATUS_PLAIN_TO_TLS = 497 };

/* 0, or the status of the answer: the server is chosen, nothing else has been looked at. */
unsigned secure_refusal(struct exchange *x);
/* Of the connection that it came by, which may be gone; NULL: it is none of TLS. */
static inline const struct transport *secure_transport(const struct exchange *x)
{
    return tls_is_tls(&x->secured) ? &x->secured : NULL;
}

/* It came before the handshake was over, so it may be a replay (RFC 8470). */
static inline bool secure_is_early(const struct exchange *x)
{
    const struct transport *transport = secure_transport(x);

    return transport != NULL && tls_is_early(transport);
}

#endif
