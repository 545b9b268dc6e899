// SPDX-License-Identifier: MIT
/* No-Vary-Search: which parts of a query do not matter (draft-ietf-httpbis-no-vary-search).
 *
 * As with Vary, a response has a spec, one canonical text to be kept for its path; a spec and a query
 * make a normal query, equal for those that are equivalent under it. Pure functions; results lie in
 * the arena. */
#ifndef CACHE_QUERY_H
#define CACHE_QUERY_H

#include <stdbool.h>

#include "http/fields.h"

enum { QUERY_NAMES_MAX = 64, QUERY_SPEC_MAX = 1024, QUERY_PAIRS_MAX = 128, QUERY_BYTES_MAX = 8192 };

/* The spec of a response: "=" or "~" (the order of names matters, or not), "-" or "+" (these names do
 * not matter, or only these do), then "&name" for each. TEXT_NONE: queries are compared as they stand,
 * because the field is absent, malformed, says nothing else, or is beyond the bounds. */
struct text query_spec(const struct fields *response, struct arena *arena);

/* `query`: what stands behind the "?"; an absent one is like an empty one. Decoded and written anew as
 * "name=value&...". Bytes that are no UTF-8 stay what they are, where the draft takes one for the other;
 * a cache need not find all that it could. False: over QUERY_BYTES_MAX, or more than QUERY_PAIRS_MAX
 * pairs that matter; compare it as it stands. */
bool query_normalise(struct text spec, struct text query, struct arena *arena,
                     struct text *ret_query) WARN_UNUSED;

#endif
