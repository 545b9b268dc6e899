// SPDX-License-Identifier: MIT
/* The process's keys of session tickets, behind a lock. */
#include "tls/tickets.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int tls_tickets_rotate(struct tls_ticket_keys *keys)
{
    unsigned char secret[TLS_TICKET_SECRET];
    unsigned      kept = keys->count < TLS_TICKET_KEYS ? keys->count : TLS_TICKET_KEYS - 1;

    if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
        return -errno;
    memmove(keys->secrets[1], keys->secrets[0], (size_t)kept * TLS_TICKET_SECRET);
    memcpy(keys->secrets[0], secret, sizeof(secret));
    explicit_bzero(secret, sizeof(secret));
    keys->count = kept + 1;
    return 0;
}
