// SPDX-License-Identifier: MIT
/* A protocol that carries streams: what `front` (server side) and `connector` (client side) use. */
#ifndef HTTP_CODEC_H
#define HTTP_CODEC_H

#include "http/h1_parse.h"
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
    const char    *name;                                  /* "h1" */
    struct stream *(*open)(struct codec *codec);          /* client side: next request */
    unsigned       (*room)(const struct codec *codec);    /* streams that may be opened now */
    /* Finish what is open, then close; one that has carried nothing yet may still carry one. */
    void           (*drain)(struct codec *codec);
};

struct codec {
    struct protocol         protocol;
    const struct codec_ops *ops;
    struct codec_host      *host;                         /* server side */
};

#endif
