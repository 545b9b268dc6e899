// SPDX-License-Identifier: MIT
/* Addresses to and from text. */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

int address_parse_ip(struct text ip, unsigned port, struct address *ret_address)
{
    struct address address = { .len = 0 };
    char           string[INET6_ADDRSTRLEN + 1];
    bool has_brackets = ip.len >= 2 && ip.ptr[0] == '[' && ip.ptr[ip.len - 1] == ']';

    if (has_brackets)
        ip = text_part(ip, 1, ip.len - 2);
    /* A NUL inside would hide what follows it. */
    if (port > 65535 || ip.len == 0 || ip.len >= sizeof(string) || text_find(ip, '\0') < ip.len)
        return -EINVAL;
    memcpy(string, ip.ptr, ip.len);
    string[ip.len] = '\0';
    if (!has_brackets && inet_pton(AF_INET, string, &address.raw.v4.sin_addr) == 1) {
        address.raw.v4.sin_family = AF_INET;
        address.len = sizeof(address.raw.v4);
    } else if (inet_pton(AF_INET6, string, &address.raw.v6.sin6_addr) == 1) {
        address.raw.v6.sin6_family = AF_INET6;
        address.len = sizeof(address.raw.v6);
    } else {
        return -EINVAL;
    }
    address_set_port(&address, port);
    *ret_address = address;
    return 0;
}

int address_parse_ip_port(struct text text, struct address *ret_address)
{
    size_t   colon = text_find_last(text, ':');
    uint64_t port;

    if (address_parse_ip(text, 0, ret_address) == 0)
        return 0;
    if (colon == text.len || text_to_u64(text_from_offset(text, colon + 1), &port) < 0 ||
        port > 65535)
        return -EINVAL;
    return address_parse_ip(text_part(text, 0, colon), (unsigned)port, ret_address);
}

int address_parse_unix(struct text path, struct address *ret_address)
{
    struct address address = { .len = 0 };

    if (path.len == 0 || text_find(path, '\0') < path.len)
        return -EINVAL;
    if (path.len >= sizeof(address.raw.un.sun_path))
        return -ENAMETOOLONG;
    address.raw.un.sun_family = AF_UNIX;
    memcpy(address.raw.un.sun_path, path.ptr, path.len);
    address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    *ret_address = address;
    return 0;
}

struct address address_any_v4(unsigned port)
{
    struct address address = { .len = sizeof(address.raw.v4) };

    address.raw.v4.sin_family = AF_INET;
    address.raw.v4.sin_addr.s_addr = htonl(INADDR_ANY);
    address_set_port(&address, port);
    return address;
}

/* Empty for a socket without a name, as clients have; the kernel may leave out the final NUL. */
static struct text unix_path(const struct address *address)
{
    size_t offset = offsetof(struct sockaddr_un, sun_path);
    size_t most = address->len > offset ? address->len - offset : 0;

    if (most > sizeof(address->raw.un.sun_path))
        most = sizeof(address->raw.un.sun_path);
    return text_of(address->raw.un.sun_path, strnlen(address->raw.un.sun_path, most));
}

int address_family(const struct address *address)
{
    return address->raw.any.sa_family;
}

unsigned address_port(const struct address *address)
{
    switch (address_family(address)) {
    case AF_INET:
        return ntohs(address->raw.v4.sin_port);
    case AF_INET6:
        return ntohs(address->raw.v6.sin6_port);
    default:
        return 0;
    }
}

void address_set_port(struct address *address, unsigned port)
{
    if (address_family(address) == AF_INET)
        address->raw.v4.sin_port = htons((uint16_t)port);
    else if (address_family(address) == AF_INET6)
        address->raw.v6.sin6_port = htons((uint16_t)port);
}

bool address_is_equal(const struct address *a, const struct address *b)
{
    unsigned             a_len = 0, b_len = 0;
    const unsigned char *a_bytes, *b_bytes;

    if (address_family(a) != address_family(b))
        return false;
    if (address_family(a) == AF_UNIX)
        return text_is_equal(unix_path(a), unix_path(b));
    a_bytes = address_bytes(a, &a_len);
    b_bytes = address_bytes(b, &b_len);
    return a_bytes != NULL && b_bytes != NULL && address_port(a) == address_port(b) &&
           memcmp(a_bytes, b_bytes, a_len) == 0;
}

bool address_is_wildcard(const struct address *address)
{
    static const unsigned char zeros[16];
    unsigned                   len = 0;
    const unsigned char       *bytes = address_bytes(address, &len);

    return bytes != NULL && memcmp(bytes, zeros, len) == 0;
}

const unsigned char *address_bytes(const struct address *address, unsigned *ret_len)
{
    switch (address_family(address)) {
    case AF_INET:
        *ret_len = 4;
        return (const unsigned char *)&address->raw.v4.sin_addr;
    case AF_INET6:
        *ret_len = 16;
        return (const unsigned char *)&address->raw.v6.sin6_addr;
    default:
        return NULL;
    }
}

struct address_short address_shorten(const struct address *address)
{
    struct address_short result = { .family = (uint8_t)address_family(address),
                                    .port = (uint16_t)address_port(address) };
    unsigned             len = 0;
    const unsigned char *bytes = address_bytes(address, &len);

    if (bytes != NULL)
        memcpy(result.bytes, bytes, len);
    return result;
}

struct address address_lengthen(const struct address_short *address)
{
    struct address result = { .len = sizeof(sa_family_t) };

    result.raw.any.sa_family = address->family;
    if (address->family == AF_INET) {
        result.len = sizeof(result.raw.v4);
        memcpy(&result.raw.v4.sin_addr, address->bytes, 4);
    } else if (address->family == AF_INET6) {
        result.len = sizeof(result.raw.v6);
        memcpy(&result.raw.v6.sin6_addr, address->bytes, 16);
    }
    address_set_port(&result, address->port);
    return result;
}

/* nginx takes ::102 for an IPv4-compatible address where inet_ntop() does not: "::0.0.1.2". */
static bool is_compatible(const unsigned char bytes[16])
{
    static const unsigned char zeros[14];

    return memcmp(bytes, zeros, sizeof(zeros)) == 0 && bytes[14] != 0 && bytes[15] != 1;
}

void address_write_ip(struct writer *writer, const struct address *address)
{
    char                 string[INET6_ADDRSTRLEN];
    unsigned             len = 0;
    const unsigned char *bytes = address_bytes(address, &len);

    if (bytes == NULL) {
        writer_string(writer, "unix:");
        return;
    }
    if (len == 16 && is_compatible(bytes)) {
        writer_format(writer, "::0.0.%u.%u", bytes[14], bytes[15]);
        return;
    }
    if (inet_ntop(address_family(address), bytes, string, sizeof(string)) != NULL)
        writer_string(writer, string);
}

void address_write(struct writer *writer, const struct address *address)
{
    bool is_v6 = address_family(address) == AF_INET6;

    if (address_family(address) == AF_UNIX) {
        writer_string(writer, "unix:");
        writer_text(writer, unix_path(address));
        return;
    }
    writer_string(writer, is_v6 ? "[" : "");
    address_write_ip(writer, address);
    writer_string(writer, is_v6 ? "]:" : ":");
    writer_u64(writer, address_port(address));
}

const char *address_string(const struct address *address, char buffer[ADDRESS_TEXT_BYTES])
{
    struct writer writer = writer_fixed(buffer, ADDRESS_TEXT_BYTES - 1);

    address_write(&writer, address);
    buffer[writer.len] = '\0';
    return buffer;
}
