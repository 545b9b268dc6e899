// SPDX-License-Identifier: MIT
/* The bare items of structured fields, for structured.c. Pure functions. */
#ifndef HTTP_STRUCTURED_VALUE_H
#define HTTP_STRUCTURED_VALUE_H

#include "http/structured.h"

/* Takes a bare item off the front of *rest into kind, number and text of `ret` (RFC 9651 4.2.3.1);
 * false: there is none, *rest is then anywhere. */
bool structured_take_value(struct text *rest, struct arena *arena, struct structured *ret)
    WARN_UNUSED;

#endif
