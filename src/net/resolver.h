// SPDX-License-Identifier: MIT
/* Names to addresses by the system's resolver (getaddrinfo, so /etc/hosts counts), on the job
 * threads. One-shot; whoever wants to try again sets a timer. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "net/address.h"
#include "net/jobs.h"

enum { RESOLVE_MOST_ADDRESSES = 64, RESOLVE_NAME_BYTES = 256 };

struct resolve {
    struct job     job;
    char           name[RESOLVE_NAME_BYTES];
    unsigned       port;
    void         (*done)(struct resolve *resolve);   /* on the loop that started it */
    int            error;                            /* 0, or -ENOENT (no such name), -EAGAIN, -EIO */
    unsigned       count;
    struct address addresses[RESOLVE_MOST_ADDRESSES];/* without duplicates, in the resolver's order */
};

/* Fill name, port, done; `resolve` belongs to the resolver until done() is called. */
void resolve_start(struct resolve *resolve, struct loop *loop);
/* The same at once, on the calling thread: for start-up and tests. */
void resolve_now(struct resolve *resolve);

#endif
