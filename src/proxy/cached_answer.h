// SPDX-License-Identifier: MIT
/* A client's answer from a cache: the whole, a part, or word that what it has is good. */
#ifndef PROXY_CACHED_ANSWER_H
#define PROXY_CACHED_ANSWER_H

#include "proxy/caching.h"

/* Begins to send what caching->stored holds, or, to the client of a leader, what its peer says and the
 * fill takes in. Conditions and ranges of the request are answered here (RFC 9110 13 and 14). */
void cached_answer_begin(struct exchange *x);

#endif
