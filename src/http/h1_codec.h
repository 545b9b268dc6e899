// SPDX-License-Identifier: MIT
/* HTTP/1.1 and 1.0 as a codec: one message at a time, pipelined requests wait their turn. */
#ifndef HTTP_H1_CODEC_H
#define HTTP_H1_CODEC_H

#include "http/codec.h"

struct codec *h1_server_new(const struct head_limits *limits, struct codec_host *host);
struct codec *h1_client_new(void);
/* The owner of the stream that has this task; NULL: another task, or nobody waits. */
const struct task *h1_owner_of_task(const struct task *task);

enum { H1_DRAIN_BYTES = 64 * 1024,       /* of an unwanted request body, before we give up */
       H1_INTERIM_MOST = 8,              /* 1xx answers per response */
       H1_EMPTY_LINES_MOST = 4 };        /* before a request line (RFC 9112 2.2) */

#endif
