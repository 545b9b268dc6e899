// SPDX-License-Identifier: MIT
/* HTTP/2 field lists from heads. Pure functions.
 *
 * As in h1_write.h framing comes from the head's facts, never from its fields, and whatever the
 * layers above do, nothing goes out that would mean something else behind us: names are written in
 * lower case (what is no token is left out), control characters of values as spaces, those of
 * targets escaped. Connection-specific fields are left out (RFC 9113 8.2.2). */
#ifndef HTTP_H2_WRITE_H
#define HTTP_H2_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include <nghttp2/nghttp2.h>

#include "http/head.h"

/* Items and bytes lie in the arena, in the head, or are constant: all flags say NO_COPY, so the list
 * must be serialised while the message lives. Authorization and Proxy-Authorization are NO_INDEX. */
struct h2_list {
    nghttp2_nv *items;
    size_t      count;
    bool        is_extended;             /* a request that is an extended CONNECT */
};

/* :method, :scheme (`scheme`: "http" or "https"), :authority (the Host field), :path (the target),
 * then the fields; TE only as "trailers". `may_extend`: the peer takes extended CONNECT; then a
 * WebSocket's GET (head->upgrade) becomes one (RFC 8441), else the upgrade is left out. -EINVAL: the
 * method is no token or the Host field no host, and so the request is not one that can be sent. */
int h2_write_request(const struct head *head, struct text scheme, bool may_extend,
                     struct arena *arena, struct h2_list *ret_list) WARN_UNUSED;

/* :status, then the fields; also for interim heads. A 101 is the 200 to an extended CONNECT.
 * `keeps_length`: as in h1_write_response(). */
void h2_write_response(const struct head *head, bool keeps_length, struct arena *arena,
                       struct h2_list *ret_list);

void h2_write_trailers(const struct fields *trailers, struct arena *arena,
                       struct h2_list *ret_list);

#endif
