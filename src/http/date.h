// SPDX-License-Identifier: MIT
/* HTTP dates (RFC 9110 5.6.7): reads all three forms, writes the fixed one. Pure functions. */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include <stdint.h>

#include "base/text.h"

/* Seconds since 1970. A date with a two-digit year lies at most 50 years ahead of now_s, which is not
 * before 1970. A leap second is the second after it. -EINVAL: not a date, not in GMT. */
int date_parse(struct text text, int64_t now_s, int64_t *ret_s) WARN_UNUSED;
/* Writes 29 bytes, without NUL. */
enum { DATE_BYTES = 29 };
void date_write(int64_t seconds, char ret_bytes[DATE_BYTES]);

#endif
