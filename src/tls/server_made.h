// SPDX-License-Identifier: MIT
/* What a server block's TLS is made of. Inside the layer: for server.c, which makes it, and for those who
 * serve its handshakes. */
#ifndef TLS_SERVER_MADE_H
#define TLS_SERVER_MADE_H

#include <pthread.h>

#include "base/map.h"
#include "base/zone.h"
#include "tls/keypair.h"
#include "tls/server.h"
#include "tls/ticket_seals.h"

struct tls_resumables;
struct tls_staple_slot;

struct tls_server {
    const struct tls_policy  *policy;
    SSL_CTX                  *made;
    struct zone              *zone;          /* of what is remembered, or NULL */
    struct tls_resumables    *resumables;    /* in the zone */
    struct tls_ticket_seals  *seals;         /* NULL: no tickets */
    struct tls_candidates    *candidates;    /* NULL: no pair has variables */
    struct tls_keypair      **pairs;         /* of those without variables, in their order */
    struct tls_staple_slot   *staples;       /* one for each */
    unsigned                  pair_count;
    bool                      has_templates;
    unsigned char             rules[TLS_IDENTITY_BYTES];      /* whom it lets in */
    unsigned char             identity[TLS_IDENTITY_BYTES];   /* the same, and who it is */
};

/* accepting.c: what a context calls while it shakes hands. */
void tls_server_hook(struct tls_server *server);
/* resuming.c: how it finds sessions again. */
int tls_server_remember(struct tls_setup *setup, struct tls_server *server);

#endif
