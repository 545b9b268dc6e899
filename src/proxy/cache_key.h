// SPDX-License-Identifier: MIT
/* By what an exchange's answer is found again: keys, variants, labels. */
#ifndef PROXY_CACHE_KEY_H
#define PROXY_CACHE_KEY_H

#include "proxy/caching.h"

/* proxy_cache_key, or scheme, host, port, path and query as they were asked for. In x->arena. */
struct text cache_key_text(struct exchange *x);
/* Scheme, host and port: whose groups (RFC 9875 2.1) and whose locations (RFC 9111 4.4) are meant. */
struct text cache_key_origin(const struct exchange *x);
/* False: the location stores no slices, or none whose keys have the range at their end. Else all of
 * their keys begin with *ret_prefix. */
bool        cache_key_of_slices(struct exchange *x, struct text *ret_prefix);
/* The same as if this path and query ("/a?b") had been asked for. */
struct text cache_key_text_of(struct exchange *x, struct text path);
/* Path and query of what a Location or Content-Location means, if that is of the same origin; TEXT_NONE:
 * it is not (RFC 3986 5.2). */
struct text cache_key_target(struct exchange *x, struct text reference);
/* Sets caching->key and ask. */
void        cache_key_set(struct caching *caching);
/* An answer has come: what it says of queries holds for its path, and for caching->key. */
void        cache_key_learn(struct caching *caching, const struct fields *answer);

#endif
