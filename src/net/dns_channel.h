// SPDX-License-Identifier: MIT
/* A set of name servers that one loop asks through c-ares: its sockets are watched and its deadlines
 * kept by the loop.
 *
 * c-ares sends again what is not answered, goes on to the next server and from UDP to TCP, and throws
 * away what answers another question; what comes back here is the raw answer. Owner: the resolver;
 * one loop. */
#ifndef NET_DNS_CHANNEL_H
#define NET_DNS_CHANNEL_H

#include "net/address.h"
#include "net/loop.h"

enum { DNS_PORT = 53, DNS_SERVERS_MOST = 16 };

struct dns_channel;

/* No servers: those of /etc/resolv.conf, with its search list. NULL: there is no memory for it, or no
 * such configuration. */
struct dns_channel *dns_channel_new(struct loop *loop, const struct address *servers,
                                    unsigned server_count);
/* All that is still being asked is answered -ECANCELED before this returns. Not from an answer. */
void dns_channel_free(struct dns_channel **channel);

/* One question on its way. Owner: whoever asks, until answered() is called, once: during
 * dns_channel_ask() or later. -ENOENT: there is no such name, or no such record of it; -ECANCELED;
 * -EAGAIN: no server has said anything useful. */
struct dns_query {
    const char *name;                    /* needed during dns_channel_ask() only */
    unsigned    type;                    /* enum dns_type */
    void      (*answered)(struct dns_query *query, int error, const unsigned char *bytes, size_t len);
};
void dns_channel_ask(struct dns_channel *channel, struct dns_query *query);

#endif
