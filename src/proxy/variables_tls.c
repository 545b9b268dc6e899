// SPDX-License-Identifier: MIT
/* While a handshake picks a certificate by variables there is no connection to speak of yet: then
 * $ssl_server_name is what the client has asked for (opening.c). */
#include "proxy/variables_tls.h"

#include "proxy/exchange.h"
#include "proxy/secure.h"

struct text variable_of_tls(struct scope *scope, const struct variable *self)
{
    struct exchange        *x = exchange_of_scope(scope);
    const struct transport *transport = secure_transport(x);

    if (transport == NULL)
        return self->slot == SSL_SERVER_NAME ? x->asked_name : TEXT("");
    switch ((enum ssl_fact)self->slot) {
    case SSL_ALPN:
        return tls_alpn(transport);
    case SSL_CIPHER:
        return tls_cipher(transport);
    case SSL_CIPHERS:
        return tls_ciphers(transport, x->arena);
    case SSL_CURVE:
        return tls_curve(transport, x->arena);
    case SSL_CURVES:
        return tls_curves(transport, x->arena);
    case SSL_EARLY_DATA:
        return tls_is_early(transport) ? TEXT("1") : TEXT("");
    case SSL_PROTOCOL:
        return tls_protocol(transport);
    case SSL_SERVER_NAME:
        return tls_server_name(transport, x->arena);
    case SSL_SESSION_ID:
        return tls_session_id(transport, x->arena);
    case SSL_SESSION_REUSED:
        return tls_is_resumed(transport) ? TEXT("r") : TEXT(".");
    }
    return TEXT("");
}

struct text variable_of_client(struct scope *scope, const struct variable *self)
{
    struct exchange        *x = exchange_of_scope(scope);
    const struct transport *transport = secure_transport(x);

    return transport == NULL
               ? TEXT("")
               : tls_client_fact(transport, (enum tls_client_fact)self->slot, x->arena);
}
