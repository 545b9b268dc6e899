// SPDX-License-Identifier: MIT
/* The head of a message: start line and fields, the same for every protocol version.
 *
 * Framing (Content-Length, Transfer-Encoding) and persistence (Connection) are facts here, decided
 * once by the codec that read the message and written anew by the codec that sends it. Lives in an
 * arena, with everything that it points to; one thread. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "http/fields.h"
#include "http/method.h"

/* What a head may have at most; of a request the listen's default server says so. */
struct head_limits {
    uint32_t line_bytes;                 /* start line, without CRLF */
    uint32_t field_bytes;                /* one field line, without CRLF */
    uint32_t head_bytes;                 /* everything */
    uint32_t fields;                     /* how many */
};

enum body_kind {
    BODY_NONE = 0,                       /* ends with the head */
    BODY_SIZED,                          /* `length` bytes */
    BODY_CHUNKED,                        /* length unknown, end is marked */
    BODY_UNTIL_CLOSE                     /* length unknown, ends with the connection (responses) */
};

struct head {
    /* request */
    enum method method;
    struct text method_name;
    struct text target;                  /* as it stood in the request line */
    struct text authority;               /* of the target, or the Host field: host[:port], as sent */
    struct text host;                    /* of the authority; empty: there is none */
    int         port;                    /* of the authority; -1: it names none */
    struct text path;                    /* absolute path with query, as sent; "*" for OPTIONS * */
    bool        is_absolute;             /* the target had a scheme and an authority */
    /* response */
    unsigned    status;
    struct text reason;
    /* both */
    unsigned    version;                 /* 10, 11; 20 for HTTP/2 */
    enum body_kind body;
    uint64_t    length;                  /* of the body, when BODY_SIZED */
    bool        has_length;              /* length was announced, though no body may follow (HEAD) */
    struct text line;                    /* the start line as received; also of a refused request */
    bool        may_persist;             /* the sender lets the connection live on */
    bool        expects_continue;
    struct text upgrade;                 /* Upgrade field, if Connection names it; else empty */
    uint32_t    wire_bytes;              /* size of the head as received */
    bool        has_odd_fields;          /* some field is_odd */
    struct fields fields;
};

/* `wire_bytes`: its size as received; 0: not received. */
void head_init(struct head *head, struct arena *arena, size_t wire_bytes);

/* Without hop-by-hop fields and those that Connection names (RFC 9110 7.6.1), and without framing
 * fields. False if Connection names a FIELD_KEEP field (somebody tries to strip it). */
bool head_strip_hop_fields(struct head *head) WARN_UNUSED;

#endif
