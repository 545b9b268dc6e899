// SPDX-License-Identifier: MIT
/* "Give me a stream to this peer": an idle connection or a new one, with a deadline.
 *
 * Embedded in the exchange, one attempt at a time: connector_start(), then poll until it is READY or
 * FAILED, then connector_release() when the stream is done with. One loop. */
#ifndef BALANCE_CONNECTOR_H
#define BALANCE_CONNECTOR_H

#include "balance/group.h"
#include "http/codec.h"

struct peer_conn;

enum connector_state { CONNECTOR_NONE = 0, CONNECTOR_WAITING, CONNECTOR_READY, CONNECTOR_FAILED };

struct connector_ask {
    const struct upstream *upstream;
    struct peer           *peer;
    const struct address  *bind_to;      /* NULL: any */
    struct conn_timeouts   timeouts;     /* of the connection while we use it */
    struct head_limits       limits;       /* of the response head */
    uint32_t               connect_timeout_ms;
    struct text            introduction; /* goes before everything else; the connection is then for this
                                            use alone. Lives until the connector is released */
    bool                   must_be_new;  /* a kept connection has just failed */
    bool                   has_socket_keepalive;
};

struct connector {
    struct peer_conn      *peer_conn;
    const struct upstream *upstream;
    struct task           *waiter;       /* woken when the state changes */
    struct text            introduction;
    enum connector_state   state;
    int                    fault;
    int                    error;        /* -errno behind the fault, or 0 */
};

void connector_start(struct connector *connector, const struct connector_ask *ask,
                     struct loop *loop, struct task *waiter);
/* *reterr_fault with FAILED. */
enum connector_state connector_poll(struct connector *connector, int *reterr_fault);
/* READY, once: the stream to send on; owner is not set. */
struct stream *connector_stream(struct connector *connector);
/* Each goes on as the other. */
void connector_swap(struct connector *a, struct connector *b);
/* Gives the connection back, in whatever state: it rests if it is fit and `may_keep`, else it is
 * closed. The stream has been released before. */
void connector_release(struct connector *connector, struct loop *loop, bool may_keep);

#endif
