// SPDX-License-Identifier: MIT
/* The process's keys of session tickets, behind a lock. */
#include "tls/tickets.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "base/must.h"
#include "tls/ticket_seals.h"

static pthread_mutex_t        lock = PTHREAD_MUTEX_INITIALIZER;
static struct tls_ticket_keys used;
static _Atomic uint64_t       age;       /* how often they were replaced */

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

void tls_tickets_use(const struct tls_ticket_keys *keys)
{
    (void)pthread_mutex_lock(&lock);
    used = *keys;
    atomic_fetch_add(&age, 1);
    (void)pthread_mutex_unlock(&lock);
}

uint64_t tls_tickets_age(void)
{
    return atomic_load_explicit(&age, memory_order_acquire);
}

uint64_t tls_tickets_copy(struct tls_ticket_keys *ret_keys)
{
    uint64_t copied;

    (void)pthread_mutex_lock(&lock);
    if (used.count == 0)
        must(tls_tickets_rotate(&used) == 0);
    *ret_keys = used;
    copied = atomic_load(&age);
    (void)pthread_mutex_unlock(&lock);
    return copied;
}
