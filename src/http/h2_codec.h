// SPDX-License-Identifier: MIT
/* HTTP/2 (RFC 9113) as a codec, on nghttp2: many messages at a time, each a stream that its owner
 * cannot tell from one of HTTP/1. Owner: its conn. One loop.
 *
 * What differs from HTTP/1, for those who care:
 * - is_last drains the connection: others that are under way are not touched
 * - reset() tells the other side by RST_STREAM; the connection lives on
 * - deadlines of bodies are the stream's own (ops->use); those of the conn are for heads that do
 *   not end, for rest without streams, and for writes that the socket does not take
 * - no splicing: pipes of its streams must not use lanes (pipe.may_splice) */
#ifndef HTTP_H2_CODEC_H
#define HTTP_H2_CODEC_H

#include "http/codec.h"
#include "http/h2_settings.h"

/* Server side. What comes first is the client's preface. `limits` may be changed later. */
struct codec *h2_server_new(const struct head_limits *limits, const struct h2_settings *settings,
                            struct codec_host *host);
/* Client side; needs set_limits() before the first answer. */
struct codec *h2_client_new(const struct h2_settings *settings);

/* The owner of the stream whose task this is; NULL: another task, or nobody waits. */
const struct task *h2_owner_of_task(const struct task *task);

enum {
    H2_INTERIM_MOST = 8,                 /* 1xx answers per response */
    H2_QUEUE_MOST = 64,                  /* frames of ours that may wait beside one per stream */
    H2_DRAIN_MS = 1000                   /* between "no more, please" and "no more" */
};

#endif
