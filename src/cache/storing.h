// SPDX-License-Identifier: MIT
/* May an answer be stored, and which of its fields (RFC 9111 3, 3.1, 3.5). Pure functions, any thread.
 *
 * Whether the method is one that is cached at all, whether the answer was complete, and what
 * proxy_no_cache says is the caller's to know. */
#ifndef CACHE_STORING_H
#define CACHE_STORING_H

#include "cache/freshness.h"

enum storing {
    STORING_ALLOWED = 0,
    STORING_INTERIM,                     /* 1xx */
    STORING_PARTIAL,                     /* 206: never as a whole; unless the policy says so */
    STORING_NOT_MODIFIED,                /* 304: updates what is stored, is nothing itself */
    STORING_STATUS,                      /* RFC 6585: 428, 429, 431, 511 */
    STORING_NOT_UNDERSTOOD,              /* must-understand, and we do not know the status */
    STORING_REQUEST_NO_STORE,
    STORING_NO_STORE,
    STORING_PRIVATE,
    STORING_AUTHORIZATION,               /* RFC 9111 3.5 */
    STORING_VARY,                        /* Vary: * */
    STORING_SET_COOKIE,
    STORING_OFF,                         /* X-Accel-Expires or proxy_cache_valid: 0 */
    STORING_POST,
    STORING_NOT_CACHEABLE,               /* nothing allows it, and its status does not */
    STORING_USELESS                      /* it could never be used */
};

/* *ret_freshness is set in any case. */
enum storing storing_decide(const struct received *received, const struct storing_policy *policy,
                            struct arena *arena, struct freshness *ret_freshness);
/* A few words, for logs and the detail of Cache-Status; plain ASCII. */
struct text storing_words(enum storing storing);

/* Takes out of `fields`, which came with `freshness`, what may not be stored (RFC 9111 3.1): fields of
 * the connection, those that it, no-cache="..." or private="..." name, and those of proxies. */
void storing_strip_fields(const struct cache_control *control, struct fields *fields);

#endif
