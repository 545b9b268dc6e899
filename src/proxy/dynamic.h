// SPDX-License-Identifier: MIT
/* Upstreams that no configuration names: hosts that a proxy_pass with variables came up with.
 *
 * They are made on the control loop when they are first asked for, one per host, port and resolver. An
 * exchange holds what it uses through its question, so one that nobody holds may go: when it has not
 * been used for ten minutes, or when room is needed. There are at most DYNAMIC_MOST of them with
 * DYNAMIC_ADDRESSES_MOST servers each, so that a client who can choose the host cannot fill the
 * memory. A question is a letter to the control loop and back. */
#ifndef PROXY_DYNAMIC_H
#define PROXY_DYNAMIC_H

#include "balance/upstream.h"
#include "net/loop.h"

enum { DYNAMIC_MOST = 1024, DYNAMIC_ADDRESSES_MOST = 64, DYNAMIC_HOST_BYTES = 256 };

struct dynamic;

/* Owner: the asking exchange; the control loop while the letter travels. It frees itself when the
 * exchange has let go of it (dynamic_forget) before the answer came. */
struct dynamic_ask {
    struct letter    letter;
    struct loop     *loop;
    struct task     *waiter;             /* woken with WAKE_LETTER; NULL: forgotten */
    char             host[DYNAMIC_HOST_BYTES];
    unsigned         port;
    const struct resolver_policy *policy;    /* of the exchange's snapshot */
    uint32_t         timeout_ms;
    struct dynamic  *dynamic;            /* held */
    bool             is_answered, is_taken;  /* is_taken is the exchange's */
};

/* A host without its port, shorter than DYNAMIC_HOST_BYTES, or "unix:/path" with port 0, a path that
 * address_parse_unix() takes. */
struct dynamic_ask *dynamic_find(struct text host, unsigned port,
                                 const struct resolver_policy *policy, uint32_t timeout_ms,
                                 struct loop *control, struct loop *loop, struct task *waiter);
/* Once it is answered, until it is forgotten; NULL: there are too many in use. */
const struct upstream *dynamic_upstream(const struct dynamic_ask *ask);
void                   dynamic_forget(struct dynamic_ask **ask);

#endif
