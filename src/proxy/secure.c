// SPDX-License-Identifier: MIT
#include "proxy/secure.h"

#include <openssl/x509_vfy.h>

#include "tls/info.h"

/* What nginx takes for a certificate that could not be traced to anybody known. */
static bool is_of_unknown_origin(long result)
{
    return result == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           result == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           result == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           result == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

static unsigned certificate_refusal(struct exchange *x, const struct transport *transport)
{
    enum tls_verify verify = x->server->tls_policy.verify;
    bool            has_certificate = false;
    long            result;

    if (verify == TLS_VERIFY_OFF)
        return 0;
    result = tls_verify_result(transport, &has_certificate);
    if (result != X509_V_OK &&
        !(verify == TLS_VERIFY_OPTIONAL_NO_CA && is_of_unknown_origin(result))) {
        exchange_log(x, LOG_INFO, "client SSL certificate verify error: (%ld:%s)", result,
                     X509_verify_cert_error_string(result));
        return STATUS_CERT_ERROR;
    }
    if (verify == TLS_VERIFY_ON && !has_certificate) {
        exchange_log(x, LOG_INFO, "client sent no required SSL certificate");
        return STATUS_NO_CERT;
    }
    return 0;
}

/* Whoever was let in by one server's rules has not been by another's (RFC 9110 7.4). One without a certificate of its
 * own has the default server's handshake, as by its name (opening.c). */
static bool is_misdirected(const struct exchange *x, const struct transport *transport)
{
    const struct tls_server *tls = x->server->tls;

    if (tls == NULL)
        tls = x->listen->servers[0]->tls;
    return tls != NULL && !tls_may_serve(transport, tls);
}

unsigned secure_refusal(struct exchange *x)
{
    const struct transport *transport = secure_transport(x);

    if (x->listen->is_ssl && !x->is_tls) {
        exchange_log(x, LOG_INFO, "client sent plain HTTP request to HTTPS port");
        return STATUS_PLAIN_TO_TLS;
    }
    if (transport == NULL)
        return 0;
    if (is_misdirected(x, transport)) {
        exchange_log(x, LOG_INFO,
                     "client attempted to request a server whose rules for client certificates are "
                     "not those of the one it has connected to");
        return 421;
    }
    if (tls_is_early(transport) && !method_is_safe(x->request->method))
        return 425;
    return certificate_refusal(x, transport);
}
