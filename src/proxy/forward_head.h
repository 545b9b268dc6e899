// SPDX-License-Identifier: MIT
/* The request as the peer gets it. */
#ifndef PROXY_FORWARD_HEAD_H
#define PROXY_FORWARD_HEAD_H

#include "http/head.h"

struct exchange;

/* Builds it in x->arena from x->request and the location's proxy policy: method, target (unchanged,
 * or with the URI part of proxy_pass), Host and the other proxy_set_header fields, the client's
 * fields without hop-by-hop ones, framing facts (x->request's, or proxy_set_body's), upgrade.
 * NULL: the request may not be forwarded (Connection names an end-to-end field): x->fault is set. */
struct head *forward_head_build(struct exchange *x);
/* Is a field of that name the configuration's to say (proxy_set_header), and not the client's? */
bool forward_sets(const struct exchange *x, struct text name);
/* The request target alone: for $proxy_..., tests and logs. */
struct text forward_target(struct exchange *x);
/* The body that proxy_set_body gives, evaluated; ptr NULL: the client's own. */
struct text forward_body(struct exchange *x);

#endif
