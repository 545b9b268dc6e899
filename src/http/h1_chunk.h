// SPDX-License-Identifier: MIT
/* The chunked coding (RFC 9112 7.1), decoded incrementally. Pure; the state is the caller's.
 *
 * CRLF only, 1 to 16 hexadecimal digits, no white space around the size; extensions are checked for
 * their grammar (without white space), bounded (16 KB in a body) and dropped. */
#ifndef HTTP_H1_CHUNK_H
#define HTTP_H1_CHUNK_H

#include <stddef.h>
#include <stdint.h>

struct h1_chunk {
    uint8_t  state;                      /* 0 at the start of a body */
    uint8_t  digits;
    uint32_t extension_bytes;            /* in the whole body */
    uint64_t left;                       /* of the chunk's content */
};

enum h1_chunk_result {
    H1_CHUNK_MORE = 0,                   /* all bytes are used up, more are needed */
    H1_CHUNK_CONTENT,                    /* *ret_content bytes follow at the returned offset */
    H1_CHUNK_LAST,                       /* the last chunk's line is read; the trailer section follows */
    H1_CHUNK_BAD
};

/* Reads framing from bytes[0..len) and returns how many bytes it used. With CONTENT the caller takes
 * up to *ret_content bytes after them (never more than len - used) and reports what it took with
 * h1_chunk_took() before the next call. */
size_t h1_chunk_read(struct h1_chunk *chunk, const char *bytes, size_t len,
                     enum h1_chunk_result *ret_result, size_t *ret_content);
void   h1_chunk_took(struct h1_chunk *chunk, size_t len);

#endif
