// SPDX-License-Identifier: MIT
/* "Give me a stream to this peer": on a connection that others use as well, an idle one or a new one, with
 * a deadline.
 *
 * Embedded in the exchange, one attempt at a time: connector_start(), then poll until it is READY or
 * FAILED, then connector_release() when the stream is done with. One loop. */
#ifndef BALANCE_CONNECTOR_H
#define BALANCE_CONNECTOR_H

#include "balance/group.h"
#include "balance/line.h"

struct peer_conn;

enum connector_state { CONNECTOR_NONE = 0, CONNECTOR_WAITING, CONNECTOR_READY, CONNECTOR_FAILED };

/* What it points to lives until the connector is released. */
struct connector_ask {
    const struct upstream *upstream;
    struct peer           *peer;
    struct arena          *arena;        /* for what is said of a failure */
    struct line_ask        line;         /* with an introduction it is for this use alone */
    struct head_limits     limits;       /* of the response head */
    bool                   must_be_new;  /* a kept connection has just failed */
};

struct connector {
    struct connector_ask   ask;
    struct peer_conn      *peer_conn;
    struct link            link;         /* in its users */
    struct loop           *loop;
    struct task           *waiter;       /* woken when there is news: poll */
    enum connector_state   state;
    bool                   has_stream;
    int64_t                until_ms;     /* so long it waits for a connection that others make */
    int64_t                opened_ms;    /* its stream, when the connection had brought */
    uint64_t               opened_bytes; /* so many bytes */
    int                    fault;
    int                    error;        /* -errno behind the fault, or 0 */
    struct text            words;        /* or what TLS says of it; else empty */
};

/* Connections are shared, or used one after the other, among asks of which this is equal. 0: in clear,
 * and one message at a time. */
uint64_t connector_identity(const struct connector_ask *ask);

void connector_start(struct connector *connector, const struct connector_ask *ask,
                     struct loop *loop, struct task *waiter);
/* *reterr_fault with FAILED. */
enum connector_state connector_poll(struct connector *connector, int *reterr_fault);
/* READY: the version that is spoken: 11, 20. */
unsigned connector_version(const struct connector *connector);
/* READY, once: the stream to send on; owner is not set. NULL: the connection takes none any more. */
struct stream *connector_stream(struct connector *connector);
/* Each goes on as the other. */
void connector_swap(struct connector *a, struct connector *b);
/* Gives the connection back, in whatever state: if nobody else uses it, it rests if it is fit and
 * `may_keep`, else it is closed. The stream has been released before. */
void connector_release(struct connector *connector, struct loop *loop, bool may_keep);

#endif
