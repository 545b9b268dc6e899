// SPDX-License-Identifier: MIT
/* Upstreams that no configuration names: hosts that a proxy_pass with variables came up with.
 *
 * They are made on the control loop when they are first asked for and kept for the life of the
 * process, at most DYNAMIC_MOST of them, so that a client who can choose the host cannot fill the
 * memory. A question is a letter to the control loop and back. */
#ifndef PROXY_DYNAMIC_H
#define PROXY_DYNAMIC_H

#include "balance/upstream.h"
#include "net/loop.h"

enum { DYNAMIC_MOST = 1024, DYNAMIC_HOST_BYTES = 256 };

/* Owner: the asking exchange; the control loop while the letter travels. It frees itself when the
 * exchange has let go of it (dynamic_forget) before the answer came. */
struct dynamic_ask {
    struct letter    letter;
    struct loop     *loop;
    struct task     *waiter;             /* woken with WAKE_LETTER; NULL: forgotten */
    char             host[DYNAMIC_HOST_BYTES];
    unsigned         port;
    bool             is_answered;
    struct upstream *upstream;           /* NULL: there are too many */
};

/* host without port; NULL when it is too long. */
struct dynamic_ask *dynamic_find(struct text host, unsigned port, struct loop *control,
                                 struct loop *loop, struct task *waiter);
void                dynamic_forget(struct dynamic_ask **ask);

#endif
