// SPDX-License-Identifier: MIT
/* Who the client is when proxies stand in front of us: set_real_ip_from, real_ip_header,
 * real_ip_recursive. nginx's rules (https://nginx.org/en/docs/http/ngx_http_realip_module.html). */
#ifndef PROXY_REALIP_H
#define PROXY_REALIP_H

#include "net/address.h"
#include "proxy/site.h"

struct exchange;

/* Is it one of those whose word counts? A v4-mapped address is the IPv4 one. */
bool realip_is_trusted(const struct trust *trust, const struct address *address);

/* NOTHING: the list was not believed. SOME: up to an element that is no address, or behind one that
 * nobody here trusts. ALL: every element, or the last one when that was all that was asked. */
enum realip_walk { REALIP_NOTHING = 0, REALIP_SOME, REALIP_ALL };

/* Follows one field's list of addresses from its end, beginning at *address, for as long as the
 * address that it has come to is trusted; at most one element unless is_recursive. *address is the
 * last one that was believed. Pure; any thread. */
enum realip_walk realip_walk(const struct trust *trust, struct text list, bool is_recursive,
                             struct address *address);

/* Replaces the exchange's client by what the location's rules make of the request, once per request:
 * nginx looks after the server is known, and again before limits and access of the location. */
void realip_apply(struct exchange *x);

#endif
