// SPDX-License-Identifier: MIT
/* Cache directives as values: Cache-Control of requests and answers (RFC 9111 5.2, RFC 5861, RFC 8246)
 * and targeted fields (RFC 9213).
 *
 * Where a directive comes more than once or makes no sense, the reading that trusts the cache least
 * is taken (RFC 9111 4.2.1 leaves the choice between the first and none at all; the smallest value can
 * never be wrong where either would be right, and who inserts a directive on the way cannot loosen
 * what was said). What is unknown is nothing (5.2.3). Pure functions; what is read lies in the arena
 * or points into the fields. */
#ifndef HTTP_CACHE_CONTROL_H
#define HTTP_CACHE_CONTROL_H

#include "http/fields.h"

enum cache_control_flag {
    CACHE_CONTROL_NO_STORE = 1u << 0,
    CACHE_CONTROL_NO_CACHE = 1u << 1,          /* without field names, or with a list that is none */
    CACHE_CONTROL_PRIVATE = 1u << 2,           /* the same */
    CACHE_CONTROL_PUBLIC = 1u << 3,
    CACHE_CONTROL_MUST_REVALIDATE = 1u << 4,
    CACHE_CONTROL_PROXY_REVALIDATE = 1u << 5,
    CACHE_CONTROL_MUST_UNDERSTAND = 1u << 6,
    CACHE_CONTROL_NO_TRANSFORM = 1u << 7,
    CACHE_CONTROL_IMMUTABLE = 1u << 8,
    CACHE_CONTROL_ONLY_IF_CACHED = 1u << 9     /* of requests */
};

/* As large as delta-seconds get (RFC 9111 1.2.2); -1 stands for a directive that is not there. */
#define CACHE_SECONDS_MAX (INT64_C(1) << 31)
#define CACHE_SECONDS_ABSENT INT64_C(-1)

/* More names than that in one directive: it is taken as one without names. */
enum { CACHE_NAMES_MAX = 32 };

struct cache_names {
    struct text *items;                        /* field names, in any case, perhaps repeated */
    unsigned     count;
};

/* Seconds are CACHE_SECONDS_ABSENT, or 0 to CACHE_SECONDS_MAX; what is no number is 0. */
struct cache_control {
    unsigned           flags;                  /* enum cache_control_flag */
    int64_t            max_age_s;
    int64_t            s_maxage_s;             /* of answers */
    int64_t            stale_revalidate_s;     /* stale-while-revalidate, of answers */
    int64_t            stale_error_s;          /* stale-if-error */
    int64_t            max_stale_s;            /* of requests; without a value: CACHE_SECONDS_MAX */
    int64_t            min_fresh_s;            /* of requests */
    struct cache_names no_cache, private;      /* no-cache="...", private="..." */
};

/* No directive at all. */
struct cache_control cache_control_none(void);

/* All Cache-Control lines of an answer. */
struct cache_control cache_control_of_answer(const struct fields *fields, struct arena *arena);
/* Those of a request; without any, Pragma: no-cache says no-cache (RFC 9111 5.4). */
struct cache_control cache_control_of_request(const struct fields *fields, struct arena *arena);

/* The targeted field `name` of an answer (RFC 9213 2.1). False: it is not there, empty or not valid,
 * the next of the target list is to be asked. When it is true, *ret holds instead of Cache-Control and
 * Expires (2.2). */
bool cache_control_of_targeted(const struct fields *fields, struct text name, struct arena *arena,
                               struct cache_control *ret) WARN_UNUSED;

/* delta-seconds: 1*DIGIT, larger ones are CACHE_SECONDS_MAX; CACHE_SECONDS_ABSENT: none. */
int64_t cache_control_seconds(struct text text);

#endif
