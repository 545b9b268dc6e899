// SPDX-License-Identifier: MIT
/* The inner side of staple.h: slots of a server, filled at its making and read by handshakes. */
#ifndef TLS_STAPLING_H
#define TLS_STAPLING_H

#include "tls/setup.h"

/* Makes the slots; with ssl_stapling_file fills them. 0, or -EINVAL with the complaint filled in. */
int tls_server_staple(struct tls_setup *setup, struct tls_server *server);
/* OpenSSL's status callback. `server` is the one that the connection has chosen. */
int tls_staple_give(const struct tls_server *server, SSL *ssl);

#endif
