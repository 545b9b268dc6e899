// SPDX-License-Identifier: MIT
/* The one inner loop of the HTTP/1 reader that is worth vector instructions. */
#ifndef HTTP_H1_SCAN_BYTES_H
#define HTTP_H1_SCAN_BYTES_H

#include <stddef.h>

/* Offset of the first control character other than tab, or DEL; `len` if there is none. */
size_t h1_scan_bytes(const char *bytes, size_t len);
/* The same, a byte at a time: what the vector form is tested against, and used without SSE2. */
size_t h1_scan_bytes_scalar(const char *bytes, size_t len);

#endif
