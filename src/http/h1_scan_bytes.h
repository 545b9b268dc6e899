// SPDX-License-Identifier: MIT
/* The inner loops of the HTTP/1 reader, which are worth vector instructions. */
#ifndef HTTP_H1_SCAN_BYTES_H
#define HTTP_H1_SCAN_BYTES_H

#include <stddef.h>

/* Offset of the first control character other than tab, or DEL; `len` if there is none. */
size_t h1_scan_bytes(const char *bytes, size_t len);
/* Offset of the first byte that is not one of A-Z a-z 0-9 -. */
size_t h1_scan_name(const char *bytes, size_t len);
/* Offset of the first control character, space, DEL or "#". */
size_t h1_scan_target(const char *bytes, size_t len);
/* Offset behind the first "\r\n\r\n"; 0 if there is none. */
size_t h1_scan_empty_line(const char *bytes, size_t len);

/* The same, a byte at a time: what the vector forms are tested against, and used without SSE2. */
size_t h1_scan_bytes_scalar(const char *bytes, size_t len);
size_t h1_scan_name_scalar(const char *bytes, size_t len);
size_t h1_scan_target_scalar(const char *bytes, size_t len);
size_t h1_scan_empty_line_scalar(const char *bytes, size_t len);

#endif
