// SPDX-License-Identifier: MIT
/* Base64 and SHA-1 are OpenSSL's. The hash guards nothing here: it only proves that whoever answers
 * has read the key. Pure functions, any thread. */
#include "http/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/writer.h"

/* Appended to every key (RFC 6455 1.3). */
#define ACCEPT_SUFFIX "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static struct text base64(struct arena *arena, const uint8_t *bytes, size_t len)
{
    char *coded = arena_bytes(arena, (len + 2) / 3 * 4 + 1);
    int   coded_len = EVP_EncodeBlock((unsigned char *)coded, bytes, (int)len);

    return text_of(coded, (size_t)coded_len);
}

struct text websocket_key(struct arena *arena, const uint8_t bytes[WEBSOCKET_KEY_BYTES])
{
    return base64(arena, bytes, WEBSOCKET_KEY_BYTES);
}

struct text websocket_accept(struct arena *arena, struct text key)
{
    struct writer writer = writer_arena(arena, key.len + sizeof(ACCEPT_SUFFIX));
    uint8_t       hash[SHA_DIGEST_LENGTH];

    writer_text(&writer, key);
    writer_text(&writer, TEXT(ACCEPT_SUFFIX));
    SHA1((const unsigned char *)writer.ptr, writer.len, hash);
    return base64(arena, hash, sizeof(hash));
}
