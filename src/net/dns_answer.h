// SPDX-License-Identifier: MIT
/* Answers of name servers, as bytes (RFC 1035 4.1; SRV: RFC 2782): addresses, services, and how long
 * they hold.
 *
 * Whoever can send us a datagram writes them, so all is bounded: how many records are kept, how long
 * a name is, and a pointer of a compressed name leads backwards only. Values; any thread. */
#ifndef NET_DNS_ANSWER_H
#define NET_DNS_ANSWER_H

#include "net/address.h"

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33 };
enum { DNS_ADDRESSES_MOST = 256, DNS_SERVICES_MOST = 64, DNS_NAME_BYTES = 256 };

struct dns_service {
    uint16_t priority, weight, port;
    char     target[DNS_NAME_BYTES];     /* without the last dot; never empty */
};

struct dns_answer {
    unsigned           address_count;    /* of A and AAAA; ports are 0 */
    struct address     addresses[DNS_ADDRESSES_MOST];
    unsigned           service_count;    /* of SRV */
    struct dns_service services[DNS_SERVICES_MOST];
    uint32_t           ttl_s;            /* the least of the records that count; UINT32_MAX: none did */
    bool               is_cut;           /* there were more than are kept */
};

/* What the answer section says of `type`; records of other types and classes are passed over, but a
 * CNAME's time counts. Adds to *answer, which begins as zeros with ttl_s = UINT32_MAX. -EINVAL:
 * malformed; what was added until there stands. */
int dns_answer_read(struct dns_answer *answer, enum dns_type type, const unsigned char *bytes,
                    size_t len) WARN_UNUSED;

#endif
