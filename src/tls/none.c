// SPDX-License-Identifier: MIT
/* Until the server's side of TLS is there no handshake begins: a transport with ops NULL. */
#include "tls/info.h"

struct transport tls_accept(int fd, const struct tls_server *first, struct tls_host *host,
                            struct text early)
{
    (void)fd;
    (void)first;
    (void)host;
    (void)early;
    return (struct transport){ .fd = -1 };
}

void tls_forget_host(struct transport *transport, struct tls_host *host)
{
    (void)transport;
    (void)host;
}

struct text tls_alpn(const struct transport *transport)
{
    (void)transport;
    return TEXT("");
}

bool tls_is_tls(const struct transport *transport)
{
    return !transport->ops->is_plain;
}

const struct tls_server *tls_chosen(const struct transport *transport)
{
    (void)transport;
    return NULL;
}

bool tls_is_early(const struct transport *transport)
{
    (void)transport;
    return false;
}

long tls_verify_result(const struct transport *transport, bool *ret_has_certificate)
{
    (void)transport;
    *ret_has_certificate = false;
    return 0;
}

bool tls_server_is_alike(const struct tls_server *a, const struct tls_server *b)
{
    return a == b;
}
