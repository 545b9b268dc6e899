// SPDX-License-Identifier: MIT
/* HTTP/1 heads to bytes. Pure functions. Framing and Connection come from the head's facts and the
 * arguments, never from its fields: fields flagged FRAMING, and Connection, are skipped. */
#ifndef HTTP_H1_WRITE_H
#define HTTP_H1_WRITE_H

#include "base/writer.h"
#include "http/head.h"

enum h1_connection { H1_CONNECTION_NONE = 0, H1_CONNECTION_CLOSE, H1_CONNECTION_KEEP_ALIVE,
                     H1_CONNECTION_UPGRADE };

/* "METHOD target HTTP/1.x", fields in order, then Connection, Content-Length or Transfer-Encoding.
 * BODY_SIZED always writes Content-Length (0 too); BODY_NONE writes none. With UPGRADE also writes
 * "Upgrade: head->upgrade". */
void h1_write_request(struct writer *writer, const struct head *head,
                      enum h1_connection connection);

/* "HTTP/1.1 status reason" (always 1.1: RFC 9110 2.5), fields in order, framing, Connection.
 * `keeps_length`: write Content-Length though no body follows (answers to HEAD, 304). */
void h1_write_response(struct writer *writer, const struct head *head,
                       enum h1_connection connection, bool keeps_length);

/* "size CRLF" of a chunk; at most 18 bytes. */
size_t h1_write_chunk_size(char ret_bytes[18], uint64_t size);
/* "0 CRLF", trailer fields (may be NULL), CRLF. */
void   h1_write_last_chunk(struct writer *writer, const struct fields *trailers);

#endif
