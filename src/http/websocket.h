// SPDX-License-Identifier: MIT
/* The two texts of a WebSocket handshake (RFC 6455 4.2.2) that HTTP/2 has no use for and HTTP/1
 * wants to see. Pure functions; results live in the arena. */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include <stdint.h>

#include "base/arena.h"

enum { WEBSOCKET_KEY_BYTES = 16 };

/* A Sec-WebSocket-Key of these bytes, and the Sec-WebSocket-Accept that answers a key. */
struct text websocket_key(struct arena *arena, const uint8_t bytes[WEBSOCKET_KEY_BYTES]);
struct text websocket_accept(struct arena *arena, struct text key);

#endif
