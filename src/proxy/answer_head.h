// SPDX-License-Identifier: MIT
/* The answer's head as the client gets it: from a peer's response, or made here. */
#ifndef PROXY_ANSWER_HEAD_H
#define PROXY_ANSWER_HEAD_H

#include "http/head.h"

struct exchange;

/* From x->response: hop-by-hop and hidden fields removed, Location, Refresh and cookies rewritten,
 * Server and Date, expires, add_header; framing facts copied. In x->arena. */
struct head *answer_head_from_peer(struct exchange *x);
/* The same of another response than the peer's. With `is_cached`, its Date is the origin's. */
struct head *answer_head_of(struct exchange *x, const struct head *response, bool is_cached);
/* x->status for this response: an error page's answer goes out under the status that it stands in for,
 * unless error_page says otherwise. */
void         answer_use_status(struct exchange *x, struct head *response);
/* The same of an interim response: nothing is added to what the peer said. NULL: it does not pass, since it
 * tries to strip what must stay. */
struct head *answer_head_interim(struct exchange *x, const struct head *interim);
/* proxy_hide_header and what is hidden anyway: the client does not get it. */
bool answer_hides(const struct exchange *x, const struct field *field);
/* A local answer with x->status, x->answer_type, x->answer_location, x->answer_text as sized body. */
struct head *answer_head_local(struct exchange *x);
/* Of x->response, what nginx lets an answer keep that X-Accel-Redirect sends elsewhere: cookies
 * (rewritten), caching, Content-Disposition. */
struct fields *answer_keep_fields(struct exchange *x);
/* add_trailer fields as trailers, or NULL. */
struct fields *answer_trailers(struct exchange *x);
/* proxy_intercept_errors: shall error_page see this status of a peer? */
bool answer_is_intercepted(const struct exchange *x, unsigned status);
/* The error_page entry for x->status at x's location, or NULL. */
const struct error_page *answer_error_page(const struct exchange *x);
/* The built-in page: "<html>...404 Not Found...". Evaluated for x->status; in x->arena. */
struct text answer_page(struct exchange *x);
/* The same with words of its own. */
struct text answer_page_saying(struct exchange *x, const char *words);
/* Absolute form of a local redirect's URI, by absolute_redirect, port_in_redirect and
 * server_name_in_redirect. */
struct text answer_redirect(struct exchange *x, struct text uri);

#endif
