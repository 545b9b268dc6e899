// SPDX-License-Identifier: MIT
/* HTTP/1 heads from bytes, strictly by RFC 9112. Pure functions: no I/O, no state but the caller's.
 *
 * Two passes: h1_scan() finds where a head ends and refuses what can be refused early (bare CR, LF
 * without CR, lines over their limit), remembering how far it looked, so that a sender of single
 * bytes costs O(n); a head that comes in one piece skips it (h1_head_size). h1_parse_*() then reads a complete head in one go. Between the two the caller
 * may move the bytes to where they shall live: the parsed head points into what it was given. */
#ifndef HTTP_H1_PARSE_H
#define HTTP_H1_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "http/fault.h"
#include "http/head.h"

struct h1_scan {
    uint32_t offset;                     /* looked at so far */
    uint32_t line_start;                 /* of the line being read */
    uint32_t lines;                      /* complete lines seen */
};

enum h1_scan_result { H1_SCAN_MORE = 0, H1_SCAN_DONE, H1_SCAN_BAD };

/* Looks for the empty line. Start with a zeroed scan; call again with the same bytes and more behind
 * them. DONE: *ret_size bytes make the head, its empty line included. BAD: *reterr_fault. */
enum h1_scan_result h1_scan(struct h1_scan *scan, const char *bytes, size_t len,
                            const struct head_limits *limits, size_t *ret_size, int *reterr_fault);
/* The same for a trailer section: no start line, may consist of the empty line alone. */
enum h1_scan_result h1_scan_trailers(struct h1_scan *scan, const char *bytes, size_t len,
                                     const struct head_limits *limits, size_t *ret_size,
                                     int *reterr_fault);

/* Size of the head when its end is among the bytes already, as it mostly is: then nothing need be
 * scanned, since h1_parse_*() refuses all that h1_scan() does. 0: scan. */
size_t h1_head_size(const char *bytes, size_t len, const struct head_limits *limits);

/* `bytes` is exactly one complete head, from the start line to the empty line. Returns FAULT_NONE
 * or why it is refused (section 2.1 of the hostile input list: both framings, differing or malformed
 * lengths, codings, white space before the colon, obs-fold, control characters, Host rules, target
 * forms). Sets everything in ret_head, framing and persistence included. Field values are trimmed
 * of OWS. A request without Transfer-Encoding and Content-Length has BODY_NONE. */
int h1_parse_request(struct text bytes, const struct head_limits *limits, struct arena *arena,
                     struct head *ret_head) WARN_UNUSED;

/* What can be read of a request's first line, for the log and the error page of a head that was
 * refused for what came behind it. `line` may be empty or anything. */
void h1_parse_request_line(struct text line, struct arena *arena, struct head *head);

/* The response to a request of method `asked` (HEAD and CONNECT have framing rules of their own).
 * Conflicting or invalid framing is a fault, obs-fold becomes a space (RFC 9112 5.2). */
int h1_parse_response(struct text bytes, const struct head_limits *limits, enum method asked,
                      struct arena *arena, struct head *ret_head) WARN_UNUSED;

/* A trailer section, its empty line included. Framing, routing and authentication fields are left
 * out (RFC 9110 6.5.1). */
int h1_parse_trailers(struct text bytes, const struct head_limits *limits, struct arena *arena,
                      struct fields *ret_fields) WARN_UNUSED;

#endif
