// SPDX-License-Identifier: MIT
/* Byte ranges: the Range field of requests, the Content-Range field of answers (RFC 9110 14). Pure
 * functions. A multipart body of several ranges is multipart.h's. */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/writer.h"
#include "http/fields.h"
#include "http/method.h"

/* Parts of a body that are sent at most, and ranges that are read at most. */
enum { RANGE_PARTS_MAX = 16, RANGE_READ_MAX = 64 };

struct range_part {
    uint64_t first, len;                 /* within the body; len > 0 */
};

struct range_set {
    unsigned          count;
    struct range_part parts[RANGE_PARTS_MAX];   /* disjoint, in the order that was asked for */
};

enum range_verdict {
    RANGE_IGNORED = 0,                   /* send the whole: 200 */
    RANGE_PARTS,                         /* 206 */
    RANGE_UNSATISFIABLE                  /* 416 */
};

/* Which parts of a body of `length` bytes a request asks for. Ranges that overlap or adjoin become
 * one. Ignored, as RFC 9110 14.2 allows: another method than GET, several Range lines, a unit other
 * than bytes, bad grammar, more than RANGE_READ_MAX ranges or RANGE_PARTS_MAX parts, and ranges that
 * sum to more than the body: whoever asks so gets it whole, cheaper for both. If-Range is not looked
 * at: conditional_may_range(). *ret_set is written for RANGE_PARTS only. */
enum range_verdict range_judge(enum method method, const struct fields *request, uint64_t length,
                               struct range_set *ret_set);

/* Where the ranges of a request begin, when the length of the body is not known yet. */
struct range_beginnings {
    unsigned count;                      /* at least 1 */
    uint64_t last;                       /* the largest of "a-" and "a-b"; UINT64_MAX: or more */
    bool     has_suffix;                 /* some count from the end: "-5" */
};

/* False: there are none, or range_judge() would ignore them whatever the length. */
bool range_beginnings(const struct fields *request, struct range_beginnings *ret_beginnings);

/* "bytes 0-99/1000", and "bytes *" "/1000" of a 416. */
void range_write_content_range(struct writer *writer, struct range_part part, uint64_t length);
void range_write_unsatisfied(struct writer *writer, uint64_t length);

struct content_range {
    struct range_part part;              /* unless is_unsatisfied */
    uint64_t          length;            /* of the whole, if has_length */
    bool              has_length;
    bool              is_unsatisfied;    /* "bytes *" "/1000" */
};

/* Reads a Content-Range value (RFC 9110 14.4). -EINVAL: not of bytes, malformed, or invalid (last
 * before first, or beyond the whole). No number is above INT64_MAX. */
int content_range_parse(struct text value, struct content_range *ret_range) WARN_UNUSED;

#endif
