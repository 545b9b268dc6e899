// SPDX-License-Identifier: MIT
/* What a client that is bound to a server knows it by: the `route` of its `server` line, or else the
 * MD5 of its address in hex, as in nginx. Values. */
#ifndef BALANCE_IDENTITY_H
#define BALANCE_IDENTITY_H

#include "base/text.h"

enum { IDENTITY_BYTES = 32 };

struct identity {
    uint8_t len;                         /* 0: none */
    char    bytes[IDENTITY_BYTES];
};

/* `route` is at most IDENTITY_BYTES; empty: the address ("127.0.0.1:3000", "unix:/path") is hashed. */
struct identity identity_of(struct text route, struct text address);
struct text     identity_text(const struct identity *identity);

#endif
