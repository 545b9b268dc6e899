// SPDX-License-Identifier: MIT
/* Conditional requests, as a cache answers them from a stored response (RFC 9110 8.8, 13 and
 * RFC 9111 4.3.2). Pure functions; texts are borrowed. */
#ifndef HTTP_CONDITIONAL_H
#define HTTP_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

#include "http/fields.h"
#include "http/method.h"

/* What a response says about its own version. */
struct validators {
    struct text etag;                    /* valid, with W/ and quotes; TEXT_NONE: there is none */
    int64_t     last_modified_s;         /* if has_last_modified */
    int64_t     date_s;                  /* of its Date field, or when it was received */
    bool        has_last_modified;
    bool        has_date;                /* date_s is its Date field's */
};

enum conditional_verdict {
    CONDITIONAL_SEND = 0,                /* the stored response, whole or by Range */
    CONDITIONAL_NOT_MODIFIED,            /* 304 */
    CONDITIONAL_FORWARD                  /* only the origin may answer that (If-Match, ...) */
};

/* Reads them from a response's fields. A field that is malformed or comes twice counts as absent.
 * `received_s`: when the response came, in seconds since 1970. */
void validators_of(const struct fields *response, int64_t received_s,
                   struct validators *ret_validators);

/* Last-Modified as a strong validator: Date, by the same clock, is at least a second later
 * (RFC 9110 8.8.2.2). */
bool validators_date_is_strong(const struct validators *validators);

/* What a stored response is to be answered with, in the order of RFC 9110 13.2.2. There is no 412:
 * the conditions that lead to it are the origin's to judge (RFC 9111 4.3.2), so such a request is
 * forwarded as it stands. `status`: of the stored response; conditions apply to 2xx only. */
enum conditional_verdict conditional_judge(enum method method, const struct fields *request,
                                           unsigned status, const struct validators *stored,
                                           int64_t now_s);

/* Does If-Range let Range apply (RFC 9110 13.1.5)? True without If-Range. */
bool conditional_may_range(const struct fields *request, const struct validators *stored,
                           int64_t now_s);

/* Does this field of a stored response go into the 304 that is made of it (RFC 9110 15.4.5)? What
 * describes a body that is not sent does not; Last-Modified only when there is no entity tag. */
bool conditional_is_in_304(const struct field *field, bool has_etag);

#endif
