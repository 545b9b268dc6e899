// SPDX-License-Identifier: MIT
/* HTTP/1.1 and 1.0 as a codec: one message at a time, pipelined requests wait their turn.
 * Owner: its conn. */
#ifndef HTTP_H1_CODEC_H
#define HTTP_H1_CODEC_H

#include "http/codec.h"

/* Server side. `limits` may be changed later with h1_set_limits() (they are the listen's default
 * server's). The codec tells nothing of itself until a conn is made with its protocol;
 * h1_attach() then ties the two. */
struct codec *h1_server_new(const struct h1_limits *limits, struct codec_host *host);
/* What such a codec does with bytes, for whoever takes some off before. */
extern const struct protocol_ops h1_server_protocol;
/* Client side: limits of the response head. */
struct codec *h1_client_new(void);

void h1_attach(struct codec *codec, struct conn *conn);
void h1_set_limits(struct codec *codec, const struct h1_limits *limits);
/* Between two messages, with nothing unread and nothing wrong: may carry another one. */
bool h1_is_idle(const struct codec *codec);
/* Of the connection so far, the current one included. */
unsigned h1_message_count(const struct codec *codec);
/* Who waits for the message that is on its way: the stream's owner, or NULL. */
const struct task *h1_owner(const struct codec *codec);
/* The same for the task of a stream; NULL: another task, or nobody waits. */
const struct task *h1_owner_of_task(const struct task *task);
/* Client side, between open() and send(): bytes that go before everything else on this connection.
 * They live as long as the stream's arena. */
void     h1_begin_with(struct codec *codec, struct text bytes);
/* For a connection that has carried some before this codec was made. */
void     h1_set_message_count(struct codec *codec, unsigned count);

enum { H1_DRAIN_BYTES = 64 * 1024,       /* of an unwanted request body, before we give up */
       H1_INTERIM_MOST = 8,              /* 1xx answers per response */
       H1_EMPTY_LINES_MOST = 4 };        /* before a request line (RFC 9112 2.2) */

#endif
