// SPDX-License-Identifier: MIT
/* HTTP/2 heads from lists of fields, strictly by RFC 9113 section 8. Pure functions: no I/O.
 *
 * The codec feeds one header block field by field, as it is decoded (h2_head_add() copies what is
 * kept, and counts before it copies), then asks what it was. The head that comes out is the one
 * that HTTP/1.1 would have brought: nobody above the codec knows the difference. A block that is
 * refused must still be fed (or decoded and dropped) to its end, for HPACK's sake. */
#ifndef HTTP_H2_HEAD_H
#define HTTP_H2_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "http/fault.h"
#include "http/head.h"

/* Not worth an answer: a stream error of type PROTOCOL_ERROR (RFC 9113 8.1.1). */
enum { H2_MALFORMED = -1 };

enum {
    H2_FIELD_OVERHEAD = 32,              /* what a field counts beside its bytes (RFC 9113 6.5.2) */
    H2_KEY_BYTES = 16                    /* of a Sec-WebSocket-Key (RFC 6455 4.1) */
};

enum h2_head_kind { H2_HEAD_REQUEST, H2_HEAD_RESPONSE, H2_HEAD_TRAILERS };

struct h2_pseudo {
    struct text method, scheme, authority, path, protocol, status;
};

/* One header block under way; the caller's. Only `head` and `bytes` are for others to read. */
struct h2_head {
    struct head              *head;      /* in the arena; after a refusal too: what was understood */
    const struct head_limits *limits;
    struct arena             *arena;
    uint64_t                  once, again;   /* known fields seen, a bit per enum field_id */
    struct h2_pseudo          pseudo;    /* ptr NULL: not there */
    uint32_t                  bytes;     /* decoded so far: names, values, 32 for each field */
    uint32_t                  fields;    /* crumbs of Cookie count as one together */
    enum h2_head_kind         kind;
    int                       fault;     /* the first one; nothing is kept after it */
    bool                      has_fields;    /* a field that is no pseudo field has come */
};

/* `limits` and `arena` are borrowed until the end. limits->line_bytes bounds :method and :path
 * together, as the request line that they would make; head_bytes bounds `bytes`. */
void h2_head_begin(struct h2_head *block, enum h2_head_kind kind,
                   const struct head_limits *limits, struct arena *arena);
/* Copies what it keeps. After a fault, or beyond a limit, it only counts. */
void h2_head_add(struct h2_head *block, struct text name, struct text value);

/* The block was a request's; `is_end`: END_STREAM was set. Fills in all of block->head:
 * - version 20; line "GET /x HTTP/2.0"; target and path are :path; authority, host, port of
 *   :authority, or of Host where there is none; a Host field in front if :authority was sent
 * - body: SIZED with Content-Length, else NONE with is_end, else CHUNKED: the end is marked
 * - Cookie crumbs are one field (8.2.3); known names have their canonical spelling
 * - CONNECT with :protocol "websocket" (RFC 8441) is the GET that asks for the upgrade:
 *   head->upgrade, Connection, Upgrade, Sec-WebSocket-Key made of `key`; BODY_NONE, though DATA
 *   may follow: it belongs to the tunnel
 * - wire_bytes is `bytes`; the codec may know better.
 * FAULT_NONE; or a client's fault, to be answered with its status; or H2_MALFORMED.
 * Malformed are: names and values that 8.2.1 forbids, connection-specific fields and TE (8.2.2),
 * pseudo fields that are unknown, repeated, late, missing, empty or out of place (8.3, 8.5),
 * userinfo in :authority, and a length with a body that has ended already (8.1.1). What HTTP/1 answers
 * is answered here: hosts, targets, lengths that are no number, Expect, sizes, plain CONNECT, and
 * CONNECT for another protocol. */
int h2_head_end_request(struct h2_head *block, bool is_end, const uint8_t key[H2_KEY_BYTES])
    WARN_UNUSED;

/* The block was the answer, or an interim one (status below 200), to `asked`: the head that
 * h2_write_request() was given; `is_extended`: as extended CONNECT (list->is_extended). Version 20;
 * the reason is the status's own. An accepted extended CONNECT is the 101 that HTTP/1 would have
 * sent, Sec-WebSocket-Accept included. A body without Content-Length is CHUNKED, or SIZED 0 with
 * is_end. FAULT_NONE, FAULT_BAD_RESPONSE (also a stream error) or FAULT_RESPONSE_LARGE. */
int h2_head_end_response(struct h2_head *block, bool is_end, const struct head *asked,
                         bool is_extended) WARN_UNUSED;

/* The block was a trailer section, which ends its stream. Fields that may not be one are left out
 * (RFC 9110 6.5.1), as of a chunked body. Result: block->head->fields. FAULT_NONE,
 * FAULT_HEAD_TOO_LARGE or H2_MALFORMED, whoever sent it. */
int h2_head_end_trailers(struct h2_head *block, bool is_end) WARN_UNUSED;

#endif
