// SPDX-License-Identifier: MIT
/* `sticky`: requests of one client go to one server. Before the choice: whom is this request bound to;
 * after it: what must the client, or our table, remember. As NGINX Plus documents it. On the
 * exchange's loop; only where sticky_is_on(). */
#ifndef PROXY_STICKY_H
#define PROXY_STICKY_H

#include "proxy/exchange.h"

static inline bool sticky_is_on(const struct exchange *x)
{
    return x->upstream->sticky.kind != STICKY_OFF;
}

/* Sets x->ask.bound. */
void sticky_ask(struct exchange *x);
/* x->chosen was chosen: sets the cookie that the answer will carry, whatever it is. */
void sticky_chosen(struct exchange *x);
/* The answer of x->chosen stands: at its head, or at its end. */
void sticky_answered(struct exchange *x, bool is_at_head);

#endif
