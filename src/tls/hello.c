// SPDX-License-Identifier: MIT
/* Records (RFC 8446 5.1) are joined if the hello lies in several, then its fields are walked (4.1.2). A hello
 * is accepted only if every length in it fits; OpenSSL judges it again, more thoroughly. */
#include "tls/hello.h"

#include <string.h>

enum {
    RECORD_HEAD = 5,
    HANDSHAKE_HEAD = 4,
    TYPE_HANDSHAKE = 22,
    TYPE_CLIENT_HELLO = 1,
    EXTENSION_SERVER_NAME = 0,
    NAME_HOST = 0,
    RECORD_MOST = 16384
};

/* Takes `len` bytes off the front. */
static bool take(struct text *from, size_t len, struct text *ret_bytes)
{
    if (len > from->len)
        return false;
    *ret_bytes = text_part(*from, 0, len);
    *from = text_from_offset(*from, len);
    return true;
}

static bool take_number(struct text *from, unsigned width, size_t *ret_number)
{
    struct text bytes;
    size_t      number = 0;

    if (!take(from, width, &bytes))
        return false;
    for (unsigned i = 0; i < width; i++)
        number = number << 8 | (unsigned char)bytes.ptr[i];
    *ret_number = number;
    return true;
}

/* Bytes with their length in front. */
static bool take_vector(struct text *from, unsigned width, struct text *ret_bytes)
{
    size_t len;

    return take_number(from, width, &len) && take(from, len, ret_bytes);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/* A name that no server can have counts as none, as with nginx. */
static void name_set(struct tls_hello *hello, struct text name)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len >= TLS_NAME_BYTES)
        return;
    for (size_t i = 0; i < name.len; i++) {
        hello->name[i] = text_lower_char(name.ptr[i]);
        if (!is_name_char(hello->name[i]))
            return;
    }
    hello->name_len = (unsigned)name.len;
}

static bool server_name_read(struct text extension, struct tls_hello *hello)
{
    struct text list, name;
    size_t      type;

    if (!take_vector(&extension, 2, &list) || extension.len > 0)
        return false;
    if (!take_number(&list, 1, &type) || !take_vector(&list, 2, &name) || list.len > 0)
        return false;
    if (type == NAME_HOST)
        name_set(hello, name);
    return true;
}

static bool extensions_read(struct text extensions, struct tls_hello *hello)
{
    struct text extension;
    size_t      type;
    bool        has_name = false;

    while (extensions.len > 0) {
        if (!take_number(&extensions, 2, &type) || !take_vector(&extensions, 2, &extension))
            return false;
        if (type != EXTENSION_SERVER_NAME)
            continue;
        if (has_name || !server_name_read(extension, hello))
            return false;
        has_name = true;
    }
    return true;
}

static bool body_read(struct text body, struct tls_hello *hello)
{
    struct text skipped, extensions;

    if (!take(&body, 2 + 32, &skipped) || !take_vector(&body, 1, &skipped) ||   /* version, random; id */
        !take_vector(&body, 2, &skipped) || !take_vector(&body, 1, &skipped))   /* ciphers, compression */
        return false;
    if (body.len == 0)
        return true;
    return take_vector(&body, 2, &extensions) && body.len == 0 &&
           extensions_read(extensions, hello);
}

/* How long the handshake message says it is, head included; 0: it is no ClientHello. */
static size_t message_size(const char *message)
{
    size_t len = (size_t)(unsigned char)message[1] << 16 | (size_t)(unsigned char)message[2] << 8 |
                 (unsigned char)message[3];

    return message[0] != TYPE_CLIENT_HELLO || len > TLS_HELLO_MOST ? 0 : HANDSHAKE_HEAD + len;
}

/* The message in `joined`, of records that are all of the handshake. */
static enum tls_hello_state message_join(struct text bytes, char joined[TLS_HELLO_MOST],
                                         struct text *ret_message)
{
    size_t      len = 0, wanted = 0;
    size_t      type, version, size;
    struct text piece;

    for (;;) {
        if (!take_number(&bytes, 1, &type))
            return TLS_HELLO_MORE;
        if (type != TYPE_HANDSHAKE)
            return TLS_HELLO_ODD;
        if (!take_number(&bytes, 2, &version))
            return TLS_HELLO_MORE;
        if (version >> 8 != 3)
            return TLS_HELLO_ODD;
        if (!take_number(&bytes, 2, &size))
            return TLS_HELLO_MORE;
        size = size < bytes.len ? size : bytes.len;
        (void)take(&bytes, size, &piece);
        if (len + piece.len > TLS_HELLO_MOST)
            return TLS_HELLO_ODD;
        if (piece.len > 0)
            memcpy(joined + len, piece.ptr, piece.len);
        len += piece.len;
        if (len >= HANDSHAKE_HEAD && wanted == 0 && (wanted = message_size(joined)) == 0)
            return TLS_HELLO_ODD;
        if (wanted > 0 && len >= wanted) {
            *ret_message = text_of(joined + HANDSHAKE_HEAD, wanted - HANDSHAKE_HEAD);
            return TLS_HELLO_WHOLE;
        }
    }
}

enum tls_hello_state tls_hello_read(struct text bytes, struct tls_hello *ret_hello)
{
    char UNINITIALIZED   joined[TLS_HELLO_MOST];
    struct text          message;
    enum tls_hello_state state = message_join(bytes, joined, &message);

    ret_hello->name_len = 0;
    if (state == TLS_HELLO_MORE && bytes.len >= TLS_HELLO_MOST)
        return TLS_HELLO_ODD;
    if (state != TLS_HELLO_WHOLE || body_read(message, ret_hello))
        return state;
    ret_hello->name_len = 0;
    return TLS_HELLO_ODD;
}
