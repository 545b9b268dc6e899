// SPDX-License-Identifier: MIT
/* What may be said of HTTP/2 towards clients: plain values of a server block, filled in by the
 * configuration and copied by the codec. */
#ifndef HTTP_H2_SETTINGS_H
#define HTTP_H2_SETTINGS_H

#include <stdint.h>

struct h2_settings {
    uint32_t max_streams;                /* http2_max_concurrent_streams: of one connection */
    uint32_t window;                     /* http2_body_preread_size: body bytes of a stream that may come unasked */
    uint32_t chunk_size;                 /* http2_chunk_size: payload of a DATA frame that we send, at most */
    uint32_t recv_buffer_size;           /* http2_recv_buffer_size: the connection's window; 64 KB at least */
};

#endif
