// SPDX-License-Identifier: MIT
/* A peer's answer that goes through our hands on its way to the client: a range is cut out of it
 * (proxy_force_ranges), a copy is kept as a file (proxy_store). In the place of the step deliver, where
 * codecs share one pipe. */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include "proxy/exchange.h"

/* An answer to this request might have to: so its bytes must come to user space. */
bool relay_may_be_due(const struct exchange *x);
/* The answer that has begun, x->response, has to. */
bool relay_is_due(struct exchange *x);
/* Drops what is held; a copy that is not whole is not kept. Also when there is none. */
void relay_end(struct exchange *x);

#endif
