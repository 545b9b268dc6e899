// SPDX-License-Identifier: MIT
/* allow and deny. Rules stay a list in file order: they are few, and the first match wins, which a
 * tree of networks could not tell. Pure; any thread. */
#include "proxy/access.h"

#include <string.h>

enum { V4_BYTES = 4, V6_BYTES = 16, MAPPED_BYTES = 12 };

static const unsigned char mapped_prefix[MAPPED_BYTES] = { [10] = 0xff, [11] = 0xff };

static bool network_has(const struct access_rule *rule, const unsigned char *bytes)
{
    unsigned whole = rule->bits / 8, rest = rule->bits % 8;

    if (memcmp(rule->network, bytes, whole) != 0)
        return false;
    return rest == 0 || ((rule->network[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

/* An IPv4 client of an IPv6 socket is held against IPv4 rules too. */
static bool rule_matches(const struct access_rule *rule, const unsigned char *bytes, unsigned len)
{
    if (rule->is_all)
        return true;
    if (bytes == NULL)
        return rule->is_unix;
    if (rule->is_unix)
        return false;
    if (rule->family_bytes == len)
        return network_has(rule, bytes);
    return rule->family_bytes == V4_BYTES && len == V6_BYTES &&
           memcmp(bytes, mapped_prefix, MAPPED_BYTES) == 0 &&
           network_has(rule, bytes + MAPPED_BYTES);
}

enum access access_check(const struct access_rule *rules, const struct address *remote,
                         const struct access_rule **ret_rule)
{
    unsigned             len = 0;
    const unsigned char *bytes = rules == NULL ? NULL : address_bytes(remote, &len);

    for (const struct access_rule *rule = rules; rule != NULL; rule = rule->next)
        if (rule_matches(rule, bytes, len)) {
            *ret_rule = rule;
            return rule->is_allow ? ACCESS_ALLOWED : ACCESS_DENIED;
        }
    *ret_rule = NULL;
    return ACCESS_NO_RULE;
}
