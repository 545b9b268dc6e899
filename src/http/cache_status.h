// SPDX-License-Identifier: MIT
/* Cache-Status (RFC 9211): what a cache says of its part in an answer. Pure functions. */
#ifndef HTTP_CACHE_STATUS_H
#define HTTP_CACHE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "http/fields.h"

/* Why a request went on to the origin (RFC 9211 2.2), or that it did not. */
enum cache_forward {
    CACHE_FORWARD_NONE = 0,
    CACHE_FORWARD_BYPASS,                /* configured not to handle it */
    CACHE_FORWARD_METHOD,                /* its method has to go on */
    CACHE_FORWARD_URI_MISS,              /* nothing stored under its URI */
    CACHE_FORWARD_VARY_MISS,             /* stored, but no variant for it */
    CACHE_FORWARD_MISS,                  /* nothing usable, for one of these two reasons */
    CACHE_FORWARD_REQUEST,               /* fresh, but the request does not want it */
    CACHE_FORWARD_STALE,
    CACHE_FORWARD_PARTIAL,               /* stored, but not all of the ranges that are wanted */
    CACHE_FORWARD_COUNT
};

enum cache_collapse { CACHE_ALONE = 0, CACHE_COLLAPSED, CACHE_NOT_COLLAPSED };

struct cache_status {
    struct text         name;            /* of the cache; written as a token if it can be one */
    enum cache_forward  forward;
    unsigned            forward_status;  /* of the origin's answer; 0: not said */
    int64_t             ttl_s;           /* below 0: stale since; if has_ttl */
    bool                has_ttl;
    bool                is_stored;       /* the forward response was */
    enum cache_collapse collapse;        /* NOT_COLLAPSED: tried in vain */
    struct text         key;             /* empty: not said */
    struct text         detail;          /* empty: not said */
};

/* One list member. What only goes with a forward (status, stored, collapsed) is left out of a hit.
 * Bytes of texts that no String can have are written as %XX. */
struct text cache_status_text(const struct cache_status *status, struct arena *arena);

/* Appends the member after what caches nearer to the origin have said (RFC 9211 2). The texts lie in
 * fields->arena. */
void cache_status_append(struct fields *fields, const struct cache_status *status);

#endif
