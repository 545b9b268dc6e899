// SPDX-License-Identifier: MIT
/* What the directives and the RFC say of one exchange and one answer: between proxy/site.h's policy and
 * the pure rules of cache/freshness.h. */
#ifndef PROXY_CACHE_RULES_H
#define PROXY_CACHE_RULES_H

#include "proxy/caching.h"

bool rules_is_cached_method(const struct exchange *x);
/* What the request says: may an answer be looked up, may it be stored? */
bool rules_may_look(const struct exchange *x);
bool rules_may_store(const struct caching *caching);
/* May caching->stored be used, and how? */
enum cache_use rules_judge(struct caching *caching);
/* May the answer to a POST be one to later GETs, if it says so itself (RFC 9110 9.3.3)? */
bool rules_may_serve_gets(const struct caching *caching, const struct head *answer);
/* The client's only-if-cached: 504 instead of asking. */
bool rules_is_only_if_cached(const struct caching *caching);
/* May what is stored, if anything is, stand in for an answer of this condition (NEXT_*)? */
bool rules_may_rescue(struct caching *caching, unsigned condition);
/* An object of the peer's answer, without its body; NULL: it may not be stored, caching->detail says why.
 * *ret_is_shared: others that wait may have it at once. */
struct object *rules_object(struct caching *caching, const struct head *response,
                            bool *ret_is_shared);
/* What is stored, with the fields of a 304; NULL: that is about something else, or memory is short.
 * *ret_may_keep: it may be stored in its turn. */
struct object *rules_refreshed(struct caching *caching, const struct head *response,
                               bool *ret_may_keep);
/* What is stored under the key goes. */
void           rules_forget(struct caching *caching);
/* The origin's answer to a request that was not for the cache: what it makes invalid (RFC 9111 4.4, RFC
 * 9875 3), or what HEAD tells of what is stored (4.3.5). */
void rules_learn(struct caching *caching, const struct head *answer);

#endif
