// SPDX-License-Identifier: MIT
/* One message pair on a connection. HTTP/1 and HTTP/2 both present this, on the client's side of us
 * and on the upstream's.
 *
 * Memory: the codec owns the stream; it stays valid until release(), even when the connection is
 * lost before. Heads live in `arena`: on the server side the codec makes one per request and hands
 * it over with accept(); on the client side the owner lends one before send(). Bodies flow through
 * pipes that belong to the owner. News comes as wakes: HEAD, INTERIM, END (some `is_..._done` became
 * true), FAULT. One loop. */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include "http/fault.h"
#include "http/head.h"
#include "net/conn.h"
#include "net/pipe.h"

enum { WAKE_HEAD = WAKE_ABOVE, WAKE_INTERIM = WAKE_ABOVE << 1, WAKE_HTTP_ABOVE = WAKE_ABOVE << 2 };

struct stream;

#define BUDGET_NONE UINT64_MAX           /* no pacing */

struct stream_ops {
    /* Deadlines from now on: of the connection, where it carries one stream at a time. */
    void (*use)(struct stream *stream, const struct conn_timeouts *timeouts);
    /* tx_head is set; tx_body may still grow (NULL: none). Sends them. */
    void (*send)(struct stream *stream);
    /* Server side: sends a 1xx head at once, before the final one. */
    void (*send_interim)(struct stream *stream, const struct head *head);
    /* Server side: the owner wants the body now; sends 100 Continue if it was expected. */
    void (*want_body)(struct stream *stream);
    /* Both ways raw from here on: after a 101 was sent or received. */
    void (*tunnel)(struct stream *stream);
    /* Something failed: nothing more is sent; the connection is cut where that is the only way to
     * tell the other side. */
    void (*reset)(struct stream *stream, int fault);
    /* We are done with it, both ways. */
    void (*release)(struct stream *stream);
};

struct stream {
    struct task              task;       /* the codec's side: woken by its pipes */
    const struct stream_ops *ops;
    struct task             *owner;      /* the exchange */
    struct conn             *conn;       /* underneath: addresses, timeouts, serial */
    struct arena            *arena;
    struct head             *rx_head, *tx_head;           /* what they said, what we say */
    struct head             *rx_interim;                  /* the last 1xx that came */
    struct pipe             *rx_body, *tx_body;           /* codec writes rx, reads tx */
    struct fields           *rx_trailers, *tx_trailers;   /* NULL: none */
    uint64_t                 rx_bytes, tx_bytes;          /* on the wire, framing included */
    uint64_t                 rx_most;                     /* body bytes allowed; 0: no limit */
    uint64_t                 rx_budget, tx_budget;        /* body bytes that may pass now; pacing */
    int64_t                  started_us;                  /* server: first byte of the request */
    unsigned                 number;     /* among the messages of its connection, from 1 */
    int                      fault;
    bool                     is_tx_done, is_rx_done;
    bool                     is_tail_held;   /* by the owner: the message does not end yet, since trailers
                                                may come. Cleared, the codec's task is to be woken */
    bool                     is_reused;  /* client side: not the first message on its conn */
    bool                     is_last;    /* set by the owner before send(): then close */
    bool                     is_suspect; /* the same: what comes behind it is not to be trusted, or not wanted.
                                            One of several on its connection is that for itself */
    bool                     is_pipelined; /* server side: came before its forerunner was answered */
    bool                     has_reply_begun;  /* client side: some byte of the answer has come */
};

/* May bytes go to its connection as they are, past us (net/lane.h)? */
static inline bool stream_may_splice(const struct stream *stream)
{
    const struct conn *conn = stream->conn;

    return conn->protocol != NULL && conn->protocol->ops->splice_out != NULL &&
           conn->transport.ops->is_plain;
}

/* Client side: nothing, or a part of an answer, had come when the connection ended. `has_head`: the final head had. */
int stream_fault_of_loss(const struct stream *stream, bool has_head, enum loss why);

#endif
