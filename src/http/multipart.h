// SPDX-License-Identifier: MIT
/* A body of type multipart/byteranges: the bytes around the parts, and how long all is, so that it
 * goes out with Content-Length (RFC 9110 14.6, 15.3.7.2). Pure but for the random boundary. */
#ifndef HTTP_MULTIPART_H
#define HTTP_MULTIPART_H

#include "http/range.h"

enum { MULTIPART_BOUNDARY_BYTES = 32 };

struct multipart {
    const struct range_set *set;
    struct text             content_type;   /* of the whole body; empty: the parts name none */
    uint64_t                length;         /* of the whole body */
    char                    boundary[MULTIPART_BOUNDARY_BYTES];
};

/* `set` and `content_type` are borrowed. The boundary is drawn anew each time, so that no stored body
 * can hold it on purpose. */
void multipart_init(struct multipart *multipart, const struct range_set *set,
                    struct text content_type, uint64_t length);

/* The Content-Type of the answer; the answer itself has no Content-Range. */
void multipart_write_type(const struct multipart *multipart, struct writer *writer);
/* What stands before the bytes of part `i`, counted from 0, and what stands after those of the last. */
void multipart_write_head(const struct multipart *multipart, unsigned i, struct writer *writer);
void multipart_write_end(const struct multipart *multipart, struct writer *writer);

/* Bytes of all heads, all parts and the end. */
uint64_t multipart_total(const struct multipart *multipart);

#endif
