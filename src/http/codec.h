// SPDX-License-Identifier: MIT
/* A protocol that carries streams: what `front` (server side) and `connector` (client side) use. */
#ifndef HTTP_CODEC_H
#define HTTP_CODEC_H

#include "http/stream.h"

struct codec;

/* Whoever takes new requests on a server-side codec. */
struct codec_host {
    /* A request's head is complete (or stream->fault says why it is refused). Sets stream->owner,
     * rx_body and takes stream->arena. May create, never destroys. */
    void (*accept)(struct codec_host *host, struct stream *stream);
    /* Woken with WAKE_DEADLINE when nothing has come for the idle time; NULL: that is the end. */
    struct task *resting;
};

struct codec_ops {
    const char    *name;                                  /* "h1", "h2" */
    bool           is_multiplexed;                        /* carries several streams at once */
    /* Once, when a conn has been made with its protocol. */
    void           (*attach)(struct codec *codec, struct conn *conn);
    /* Of heads that come from now on. */
    void           (*set_limits)(struct codec *codec, const struct head_limits *limits);
    struct stream *(*open)(struct codec *codec);          /* client side: next request; room() was not 0 */
    /* Client side: streams that may be opened now. The conn's owner is woken with WAKE_ROOM when the other
     * side has said how many. */
    unsigned       (*room)(const struct codec *codec);
    /* Between messages, with nothing unread and nothing wrong: may carry another one. */
    bool           (*is_idle)(const struct codec *codec);
    /* Server side: what bodies that wait to be sent in its streams may be together. NULL: each as it likes. */
    struct pipe_share *(*share)(struct codec *codec);
    /* Messages of the connection so far, those under way included. */
    unsigned       (*count)(const struct codec *codec);
    /* So many were carried before this codec was made; NULL: it lives as long as its connection. */
    void           (*set_count)(struct codec *codec, unsigned count);
    /* The owner of a stream that is under way, for whoever writes what a loop was about; or NULL. */
    const struct task *(*owner)(const struct codec *codec);
    /* Finish what is open, then close; one that has carried nothing yet may still carry one. */
    void           (*drain)(struct codec *codec);
};

/* Owner: its conn, through `protocol`. */
struct codec {
    struct protocol         protocol;
    const struct codec_ops *ops;
    struct codec_host      *host;                         /* server side */
};

static inline struct codec *codec_of_protocol(struct protocol *protocol)
{
    return container_of(protocol, struct codec, protocol);
}

/* Are there others on its connection, or may there be? */
static inline bool stream_shares_conn(const struct stream *stream)
{
    return codec_of_protocol(stream->conn->protocol)->ops->is_multiplexed;
}

#endif
