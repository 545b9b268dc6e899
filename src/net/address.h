// SPDX-License-Identifier: MIT
/* Socket addresses: IPv4, IPv6 and unix, to and from text. Values; copy freely. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "base/writer.h"

struct address {
    socklen_t len;
    union {
        struct sockaddr     any;
        struct sockaddr_in  v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un  un;
    } raw;
};

/* For what is kept by the thousand; of a unix address only that it is one. */
struct address_short {
    uint8_t  family;
    uint16_t port;
    uint8_t  bytes[16];
};
struct address_short address_shorten(const struct address *address);
struct address       address_lengthen(const struct address_short *address);

/* "127.0.0.1" or "[::1]" or "::1", no port in the text. -EINVAL: not an address (maybe a name). */
int address_parse_ip(struct text ip, unsigned port, struct address *ret_address) WARN_UNUSED;
/* The same with a port behind it or not: "127.0.0.1:80", "[::1]:80". */
int address_parse_ip_port(struct text text, struct address *ret_address) WARN_UNUSED;
/* Path without the "unix:" prefix. -ENAMETOOLONG. */
int address_parse_unix(struct text path, struct address *ret_address) WARN_UNUSED;
struct address address_any_v4(unsigned port);

int      address_family(const struct address *address);
unsigned address_port(const struct address *address);           /* 0 for unix */
void     address_set_port(struct address *address, unsigned port);
bool     address_is_equal(const struct address *a, const struct address *b);
bool     address_is_wildcard(const struct address *address);    /* 0.0.0.0 or :: */

/* 4 or 16 bytes in network order, *ret_len set; NULL for unix. v4-mapped v6 stays 16 bytes. */
const unsigned char *address_bytes(const struct address *address, unsigned *ret_len);

/* "127.0.0.1", "::1", "unix:" as $remote_addr prints them. */
void address_write_ip(struct writer *writer, const struct address *address);
/* "127.0.0.1:80", "[::1]:80", "unix:/path" as nginx prints them. */
void address_write(struct writer *writer, const struct address *address);
enum { ADDRESS_TEXT_BYTES = 128 };
/* The same into a buffer, NUL-terminated; returns buffer. */
const char *address_string(const struct address *address, char buffer[ADDRESS_TEXT_BYTES]);

#endif
