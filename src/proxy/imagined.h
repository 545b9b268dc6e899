// SPDX-License-Identifier: MIT
/* An exchange that never happens: for who wants to know what variables would be, without a request. It has
 * a client without a connection, and may be asked whatever an exchange is asked before it chooses a
 * peer. Lives in the arena. */
#ifndef PROXY_IMAGINED_H
#define PROXY_IMAGINED_H

#include "proxy/exchange.h"

/* `request` has what it is to be asked for. No server is chosen. */
struct exchange *exchange_imagine(struct arena *arena, struct loop *loop, struct snapshot *snapshot,
                                  const struct listen *listen, struct head *request);

#endif
