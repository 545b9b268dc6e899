// SPDX-License-Identifier: MIT
/* What the fields of a head mean for the connection: host, where the body ends, whether the
 * connection lives on. Called by h1_parse when all fields are read, and by h2_head for what both
 * versions have in common. Pure functions. */
#ifndef HTTP_H1_FRAMING_H
#define HTTP_H1_FRAMING_H

#include <stdint.h>

#include "http/fault.h"
#include "http/head.h"

/* Which known fields a head has, one bit per enum field_id: saves searching for absent ones. */
struct h1_seen {
    uint64_t once, again;                /* again: more than once */
};

static inline void h1_seen_add(struct h1_seen *seen, enum field_id id)
{
    seen->again |= seen->once & UINT64_C(1) << id;
    seen->once |= UINT64_C(1) << id;
}

/* Set the facts of `head` below its fields. FAULT_NONE, or why the message is refused. The body of
 * a request without framing fields stays what head->body says. */
int h1_frame_request(struct head *head, const struct h1_seen *seen, struct arena *arena) WARN_UNUSED;
int h1_frame_response(struct head *head, const struct h1_seen *seen, enum method asked,
                      struct arena *arena) WARN_UNUSED;

#endif
