// SPDX-License-Identifier: MIT
/* What a 304, or an answer to HEAD, does to a stored answer (RFC 9111 3.2, 4.3.4, 4.3.5). Pure
 * functions; texts are borrowed from both sides; any thread.
 *
 * The updated fields are those of a new answer: freshness_of() and storing_decide() read them anew,
 * with the stored status, and storing_strip_fields() then takes out what they name. */
#ifndef CACHE_UPDATE_H
#define CACHE_UPDATE_H

#include "http/head.h"

/* Does a 304 with these fields update that stored answer (RFC 9111 4.3.4)? `is_named`: it answers a
 * condition that named this stored answer alone, so that one without a validator can mean no other;
 * else such a one updates only what has none either. Of several that are selected, an answer without a
 * strong tag updates the most recent. False: it must not be used for it, so the origin is to be asked
 * without a condition. */
bool update_is_selected(const struct fields *stored, const struct fields *not_modified,
                        bool is_named);

/* Does an answer 200 to HEAD update that stored answer to GET, whose body has `body_len` bytes (RFC
 * 9111 4.3.5)? False: what is stored is stale from now on. */
bool update_head_matches(const struct fields *stored, uint64_t body_len, const struct head *answer);

/* The stored fields with those of the newer answer in their places (RFC 9111 3.2). Left as they are:
 * Content-Length, Content-Range and Content-Encoding, which tell of the stored bytes, and with
 * `is_keeping_cookies` false Set-Cookie, which is the asking client's. Date becomes `received_s`
 * (seconds since 1970) if the newer one says none, and Age goes unless it says one, since both tell of
 * the newer. */
struct fields update_fields(const struct fields *stored, const struct fields *newer,
                            int64_t received_s, bool is_keeping_cookies, struct arena *arena);

#endif
