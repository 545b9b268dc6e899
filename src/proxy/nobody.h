// SPDX-License-Identifier: MIT
/* A client that is not there: for exchanges that go on without one.
 *
 * A fill goes on when its client has left or has all it wanted, and the cache refreshes what is stale
 * on its own behalf. Such an exchange has a stream that has had all it wants and a client without a
 * connection, so few steps need to know. Lives in the exchange's arena. */
#ifndef PROXY_NOBODY_H
#define PROXY_NOBODY_H

#include "proxy/exchange.h"

/* Gives x nobody instead of `client`, of which addresses and serial are kept. x->client and
 * x->client_conn are overwritten: what was there has been released. */
void nobody_take_over(struct exchange *x, struct client *client);
/* The process ends: whoever goes on for nobody's sake stops. */
void nobody_leaves(struct exchange *x);

#endif
