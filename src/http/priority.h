// SPDX-License-Identifier: MIT
/* The Priority field (RFC 9218 4 and 5): how urgent an answer is, and whether pieces of it are of
 * use. Pure functions. */
#ifndef HTTP_PRIORITY_H
#define HTTP_PRIORITY_H

#include <stdbool.h>

#include "http/fields.h"

enum { PRIORITY_URGENCY_DEFAULT = 3, PRIORITY_URGENCY_LEAST = 7 };

struct priority {
    unsigned urgency;                    /* 0, most urgent, to 7 */
    bool     is_incremental;
};

/* What a request without the field has. */
struct priority priority_default(void);

/* What the fields say over `priority`: a request's over the default, then a response's over what the
 * client said (RFC 9218 8). What is not valid, or out of range, is as if it were not there. */
struct priority priority_merge(struct priority priority, const struct fields *fields,
                               struct arena *arena);

#endif
