// SPDX-License-Identifier: MIT
/* The PROXY protocol, versions 1 and 2: what a proxy says before anything else on a connection, of
 * the client for whom it made it (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt).
 * Without I/O; pure; any thread. */
#ifndef NET_PROXY_PROTOCOL_H
#define NET_PROXY_PROTOCOL_H

#include "net/address.h"

enum { PROXY_PROTOCOL_MOST = 4096,       /* bytes of a header; nginx's limit, the format has 64 KB */
       PROXY_PROTOCOL_V1_MOST = 107,
       PROXY_PROTOCOL_WRITE_MOST = PROXY_PROTOCOL_V1_MOST };

enum proxy_protocol_version { PROXY_PROTOCOL_OFF = 0, PROXY_PROTOCOL_V1, PROXY_PROTOCOL_V2 };

/* ---- read ---- */

struct proxy_protocol {
    bool           has_addresses;        /* false: LOCAL, UNKNOWN, or no stream over IP */
    struct address source, destination;  /* with ports; IPv4 or IPv6, both the same */
    struct text    values;               /* v2: types, lengths, values, checked; borrowed */
};

enum proxy_protocol_result { PROXY_PROTOCOL_MORE = 0, PROXY_PROTOCOL_DONE, PROXY_PROTOCOL_BROKEN };

/* Of the first bytes of a connection. MORE: so far so good, and fewer than PROXY_PROTOCOL_MOST; ask
 * again with what has come since. DONE: *ret_size bytes were the header. BROKEN: *reterr_words says
 * why; the rest of the connection means nothing. A version 2 header with a checksum is held to it. */
enum proxy_protocol_result proxy_protocol_parse(struct text bytes, struct proxy_protocol *ret_said,
                                                size_t *ret_size, const char **reterr_words);

/* nginx's names for values: "alpn", "authority", "unique_id", "ssl", "netns", "0x..", and within the
 * one of TLS "ssl_version", "ssl_cn", "ssl_cipher", "ssl_sig_alg", "ssl_key_alg", "ssl_0x..",
 * "ssl_verify". False: no such name. */
bool proxy_protocol_find_name(struct text name, unsigned *ret_number);
/* The value of that number; TEXT_NONE: there is none. */
struct text proxy_protocol_value(struct text values, unsigned number);
/* The number of "ssl_verify", whose value is a figure: false when there is none. */
enum { PROXY_PROTOCOL_SSL_VERIFY = 0x200 };
bool proxy_protocol_ssl_verify(struct text values, uint32_t *ret_verify);

/* ---- write ---- */

/* The header of a connection that is made for `source`, who was connected to `destination`. Two
 * families become IPv6; without addresses (unix) it says so: UNKNOWN, LOCAL. */
void proxy_protocol_write(struct writer *writer, enum proxy_protocol_version version,
                          const struct address *source, const struct address *destination);

#endif
