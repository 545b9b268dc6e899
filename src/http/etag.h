// SPDX-License-Identifier: MIT
/* Entity tags (RFC 9110 8.8.3): their grammar, lists of them, and the two ways to compare. Pure
 * functions; results point into their input. */
#ifndef HTTP_ETAG_H
#define HTTP_ETAG_H

#include <stdbool.h>

#include "base/text.h"

/* [ "W/" ] and an opaque tag in quotes, which knows no escapes and may, beyond the grammar, have
 * blanks; nothing around it. */
bool etag_is_valid(struct text tag);
bool etag_is_weak(struct text tag);

/* RFC 9110 8.8.3.2; false unless both are valid. Strongly: neither is weak. */
bool etag_is_equal_strong(struct text a, struct text b);
bool etag_is_equal_weak(struct text a, struct text b);

enum etag_read { ETAG_END = 0, ETAG_READ, ETAG_MALFORMED };

/* Takes the next tag off a comma-separated list of tags; empty members are skipped
 * (RFC 9110 5.6.1.2). */
enum etag_read etag_list_next(struct text *rest, struct text *ret_tag);

#endif
