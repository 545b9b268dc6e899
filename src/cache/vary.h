// SPDX-License-Identifier: MIT
/* Vary: which fields of a request chose a response, and what they said (RFC 9111 4.1, RFC 9110
 * 12.5.5).
 *
 * A response has a spec: the names, canonical. A spec and a request make a variant: one text that is
 * equal for requests that may get the same response, and differs for all others. Both are bounded and
 * hold no NUL, so they can be stored and hashed as they are. Pure functions; results lie in the
 * arena. */
#ifndef CACHE_VARY_H
#define CACHE_VARY_H

#include <stdbool.h>

#include "http/fields.h"

enum { VARY_NAMES_MAX = 16, VARY_SPEC_MAX = 512, VARY_VARIANT_MAX = 8192 };

enum vary_kind {
    VARY_NOTHING = 0,                    /* no Vary, or an empty one: the spec is empty */
    VARY_FIELDS,
    VARY_NEVER                           /* "*", malformed, or beyond the bounds: do not store */
};

/* The spec of a response, "accept,accept-language": its Vary names in lower case, sorted, each once.
 * *ret_spec is TEXT_NONE for VARY_NEVER. */
enum vary_kind vary_spec(const struct fields *response, struct arena *arena, struct text *ret_spec);

/* The variant of a request under a spec that vary_spec() made. Accept-Encoding and Accept-Language are
 * normalised; a field that is absent differs from one that is empty.
 * False: longer than VARY_VARIANT_MAX; such a request has no stored response. */
bool vary_variant(struct text spec, const struct fields *request, struct arena *arena,
                  struct text *ret_variant) WARN_UNUSED;

#endif
