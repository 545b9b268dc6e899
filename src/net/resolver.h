// SPDX-License-Identifier: MIT
/* Names to addresses, asynchronously, with the time for which an answer holds.
 *
 * A resolver asks the name servers of one `resolver` line; without servers it goes the system's way:
 * /etc/hosts, then the name servers and the search list of /etc/resolv.conf, both read again when they
 * have changed. Equal policies share one. One-shot: whoever wants to know again asks again. All on one
 * loop (the control loop), which it never blocks but for reading these two files. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "net/address.h"
#include "net/loop.h"

enum {
    RESOLVER_ADDRESSES_MOST = 256,       /* of one answer; what comes behind is left out */
    RESOLVER_NAME_BYTES = 256,
    RESOLVER_TTL_LEAST_MS = 1000,
    RESOLVER_TIMEOUT_MS = 30000          /* what `resolver_timeout` is unless told otherwise */
};

/* As a configuration says it: plain data. */
struct resolver_policy {
    const struct address *servers;       /* IPv4 or IPv6, with ports */
    unsigned              server_count;  /* at most DNS_SERVERS_MOST; 0: the system's way */
    uint32_t              valid_ms;      /* how long answers hold, whatever they say; 0: as they say */
    bool                  is_v4_off, is_v6_off;
};

struct resolver;

/* The resolver of that policy (NULL: the system's way), which is copied. */
struct resolver *resolver_ref(struct loop *loop, const struct resolver_policy *policy);
void             resolver_unref(struct resolver **resolver);

struct resolved {
    struct address address;              /* with its port */
    uint16_t       priority, weight;     /* of the SRV record; else 0 */
};

/* Owner: who asked. Once is_answered, nothing in it changes. */
struct question {
    struct task     *waiter;             /* woken with WAKE_LETTER when it is answered */
    bool             is_answered;
    int              error;              /* 0; -ENOENT: no such name, or without addresses; -EAGAIN:
                                            no server said anything useful; -ETIMEDOUT */
    unsigned         count;              /* > 0 unless error */
    struct resolved *found;              /* each once, in the order of the answers */
    uint32_t         ttl_ms;             /* at least RESOLVER_TTL_LEAST_MS */
    bool             is_cut;             /* there were more than RESOLVER_ADDRESSES_MOST */
    bool             is_v4_lost, is_v6_lost;   /* no answer about this family, and no denial */
};

/* Asks for A and AAAA of `name`. Never answered before the calling task has returned. */
struct question *resolver_ask(struct resolver *resolver, struct text name, unsigned port,
                              uint32_t timeout_ms, struct task *waiter);
/* Asks for SRV of `name`, then for the addresses of their targets. */
struct question *resolver_ask_service(struct resolver *resolver, struct text name,
                                      uint32_t timeout_ms, struct task *waiter);
/* At any time; what comes later is dropped. */
void question_free(struct question **question);

#endif
