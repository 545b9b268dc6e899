// SPDX-License-Identifier: MIT
/* What of a received head may travel on. The head itself stays as it came: variables read it, and
 * another try at another peer starts from it. */
#ifndef PROXY_HOP_H
#define PROXY_HOP_H

#include "http/head.h"

enum { HOP_FLAGS = FIELD_HOP | FIELD_FRAMING };   /* the caller skips fields with one of these */

/* The head's fields, those that Connection names taken out: the very same list when it names none,
 * which is nearly always. False if Connection names a field that must stay (FIELD_KEEP). */
bool hop_fields(const struct head *head, struct arena *arena,
                struct fields *ret_fields) WARN_UNUSED;

#endif
