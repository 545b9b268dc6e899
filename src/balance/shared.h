// SPDX-License-Identifier: MIT
/* Connections that several exchanges use at once: which of a loop's takes one more. One loop. */
#ifndef BALANCE_SHARED_H
#define BALANCE_SHARED_H

#include "balance/peer_conn.h"

/* One that stands and has room; NULL: none. Where the ask must have a new one: only one that has just
 * been made, since others fail by the dozen when one connection ends. */
struct peer_conn *shared_find(const struct connector_ask *ask, struct loop *loop,
                              uint64_t identity);
/* One that is being made, and may be waited for; NULL: none. */
struct peer_conn *shared_find_coming(const struct connector_ask *ask, struct loop *loop,
                                     uint64_t identity);
/* Another exchange may begin on it, by what the upstream says of how long a connection is used. */
bool shared_may_serve(const struct peer_conn *peer_conn, const struct upstream *upstream);

#endif
