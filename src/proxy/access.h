// SPDX-License-Identifier: MIT
/* allow and deny: first match wins. */
#ifndef PROXY_ACCESS_H
#define PROXY_ACCESS_H

#include "net/address.h"
#include "proxy/site.h"

enum access { ACCESS_NO_RULE = 0, ACCESS_ALLOWED, ACCESS_DENIED };
/* *ret_rule: which one decided (NULL: none). */
enum access access_check(const struct access_rule *rules, const struct address *remote,
                         const struct access_rule **ret_rule);

#endif
