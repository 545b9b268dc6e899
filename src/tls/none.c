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
