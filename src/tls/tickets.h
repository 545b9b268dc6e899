// SPDX-License-Identifier: MIT
/* Keys of session tickets of this process: made and rotated by the supervisor, so that reloads and crashes of the
 * worker lose no session. Each context derives its own from them, so that a ticket of one TLS policy is nothing to
 * another. Any thread; replaced as a whole. */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include <stdint.h>

enum { TLS_TICKET_SECRET = 48, TLS_TICKET_KEYS = 3 };

/* Newest first: the first encrypts, the others still decrypt. */
struct tls_ticket_keys {
    unsigned char secrets[TLS_TICKET_KEYS][TLS_TICKET_SECRET];
    unsigned      count;
};

/* Until it is called tickets are made with a key of the process's own. */
void tls_tickets_use(const struct tls_ticket_keys *keys);
/* A new one in front, the oldest gone. -errno: no entropy. */
int  tls_tickets_rotate(struct tls_ticket_keys *keys);

#endif
