// SPDX-License-Identifier: MIT
/* What a configuration says of active checks: `health_check`, and the `match` blocks that say which
 * answers are good. Plain data in the snapshot's arena; pure functions, any thread. */
#ifndef BALANCE_CHECK_H
#define BALANCE_CHECK_H

#include "expr/regex.h"
#include "http/head.h"
#include "net/proxy_protocol.h"
#include "tls/client.h"

enum { CHECK_BODY_MOST = 256 * 1024 };   /* of an answer's body that is looked at */

enum match_kind { MATCH_STATUS = 0, MATCH_HEADER, MATCH_BODY, MATCH_REQUIRE };
/* Of a field: ... `header X`, `header ! X`, and what its value is like. */
enum match_how { MATCH_PRESENT = 0, MATCH_ABSENT, MATCH_IS, MATCH_IS_NOT, MATCH_LIKE, MATCH_UNLIKE };

struct status_range { unsigned first, last; };

/* One line of a `match` block. */
struct match_test {
    struct match_test   *next;
    enum match_kind      kind;
    enum match_how       how;
    struct status_range *ranges;         /* STATUS: one of them, or with IS_NOT none */
    unsigned             range_count;
    struct text          name;           /* HEADER, REQUIRE: of the field */
    struct text          value;          /* IS, IS_NOT */
    const struct regex  *regex;          /* LIKE, UNLIKE */
};

struct match {
    struct text        name;
    const char        *file;
    unsigned           line;
    struct match_test *tests;            /* all must hold */
    bool               has_body;         /* one of them wants the body */
};

enum check_type { CHECK_HTTP = 0, CHECK_TCP, CHECK_GRPC };

struct check_field {                     /* of the request, besides Host */
    struct check_field *next;
    struct text         name, value;
};

/* One `health_check`. */
struct check {
    struct check        *next;
    struct text          key;            /* what it asks: the same check in the next configuration */
    enum check_type      type;
    struct text          uri, host;
    struct text          grpc_service;   /* GRPC: empty: the server as a whole */
    unsigned             grpc_status;    /* good as well; 0: none */
    const struct tls_client *tls;        /* NULL: in clear */
    struct text          tls_name;
    bool                 is_http2, must_be_http2;   /* as its location: if the server speaks it, or not at all */
    struct check_field  *fields;
    const struct match  *match;          /* NULL: 2xx and 3xx are good */
    uint32_t             interval_ms, jitter_ms;
    unsigned             fails, passes, port;   /* port 0: the server's own */
    bool                 is_mandatory, is_persistent;
    uint32_t             keepalive_time_ms;     /* 0: a connection for each */
    uint32_t             connect_timeout_ms, send_timeout_ms, read_timeout_ms;
    uint32_t             head_bytes;            /* most of an answer's head */
    enum proxy_protocol_version proxy_protocol; /* says that it is the proxy who asks */
    bool                 has_bind;
    struct address       bind;
};

/* "x" of match=x, else the URI or "tcp": for the log. */
struct text check_name(const struct check *check);
bool        check_wants_body(const struct check *check);
/* The answer is good; else *reterr_why is what was looked at: "status code", "header", ... */
bool        check_is_passed(const struct check *check, const struct head *head, struct text body,
                            const char **reterr_why);

#endif
