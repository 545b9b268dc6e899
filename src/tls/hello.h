// SPDX-License-Identifier: MIT
/* What the first bytes of a client say, before OpenSSL sees them: the name that decides which server, and so
 * which versions, ciphers, certificates and rules, the handshake is for. Pure functions. */
#ifndef TLS_HELLO_H
#define TLS_HELLO_H

#include "base/text.h"

enum { TLS_NAME_BYTES = 254, TLS_HELLO_MOST = 20 * 1024 };

enum tls_hello_state {
    TLS_HELLO_MORE,                      /* not complete yet */
    TLS_HELLO_WHOLE,
    TLS_HELLO_ODD,                       /* no ClientHello that we can read: OpenSSL shall say what it is */
};

struct tls_hello {
    char     name[TLS_NAME_BYTES];       /* server_name (RFC 6066 3), lower case, without a dot at its end */
    unsigned name_len;                   /* 0: none, or none that could be a server's */
};

/* `bytes`: all that has come, from the first record's first byte. What is longer than TLS_HELLO_MOST is odd. */
enum tls_hello_state tls_hello_read(struct text bytes, struct tls_hello *ret_hello);

#endif
