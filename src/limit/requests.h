// SPDX-License-Identifier: MIT
/* `limit_req`: may this request go on, and when? A leaky bucket per key, with nginx's arithmetic, in
 * thousandths of a request and milliseconds (ngx_http_limit_req_module). Any thread. */
#ifndef LIMIT_REQUESTS_H
#define LIMIT_REQUESTS_H

#include "limit/limit.h"

enum { REQUESTS_KEY_MOST = 65535 };      /* bytes */

/* One limit that counts for a request. */
struct requests_ask {
    const struct limit_req *limit;
    struct text             key;         /* not empty, at most REQUESTS_KEY_MOST bytes */
    uint64_t                hash;        /* the rest is requests_take()'s own */
    struct entry           *entry;
};

enum requests_verdict { REQUESTS_PASSED = 0, REQUESTS_DELAYED, REQUESTS_REJECTED, REQUESTS_NO_ROOM };

struct requests_answer {
    enum requests_verdict   verdict;
    const struct limit_req *limit;       /* that decided */
    uint64_t                excess;      /* thousandths, there */
    int64_t                 delay_ms;    /* DELAYED: > 0 */
};

/* Asks one limit after the other; the request counts in all of them, or in none when one rejects it.
 * `now_ms` is monotonic. */
struct requests_answer requests_take(struct requests_ask *asks, unsigned count, int64_t now_ms);

#endif
