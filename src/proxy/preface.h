// SPDX-License-Identifier: MIT
/* What a proxy in front of us says of its client before the client's own bytes (`listen ...
 * proxy_protocol`).
 *
 * The header is taken off where bytes come in, so whatever follows it, HTTP today, begins with its
 * own first byte. A client whose header told addresses keeps them for as long as it lives, parked or
 * not. Owner of all: the client; one loop. */
#ifndef PROXY_PREFACE_H
#define PROXY_PREFACE_H

#include "net/address.h"

struct client;

struct preface {
    struct address_short sender;                     /* who is really connected */
    struct address_short source, destination;        /* what the header says */
    uint16_t             value_bytes;
    char                 values[];                   /* of version 2 */
};

static inline struct text preface_values(const struct preface *preface)
{
    return text_of(preface->values, preface->value_bytes);
}

/* The header that these bytes begin with: its size, 0 (there has to be more), or -1 when it is none, which the log
 * is told of. The client keeps what it says. */
ssize_t preface_read(struct client *client, struct text bytes);
/* `to` has nothing of its own: it gets what was said of `from`. */
void preface_copy(struct client *to, const struct client *from);
/* At the client's end. */
void preface_drop(struct client *client);

#endif
