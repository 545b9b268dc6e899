// SPDX-License-Identifier: MIT
/* The `expires` directive: its values, and what they do to an answer. Pure functions. */
#ifndef PROXY_EXPIRES_H
#define PROXY_EXPIRES_H

#include "http/head.h"
#include "proxy/site.h"

/* "1h", "+30d", "-1", "@15h30m", "epoch", "max", "off": what a variable's value may be. -EINVAL. */
int expires_parse(struct text value, struct expires *ret_expires) WARN_UNUSED;

/* Sets Expires and Cache-Control of `answer`; `scope` is for a variable's value. */
void expires_apply(const struct expires *expires, struct scope *scope, int64_t now_s,
                   struct head *answer);

#endif
