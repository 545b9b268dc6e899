// SPDX-License-Identifier: MIT
/* `ip_hash`: a client's network goes to the same server as with nginx
 * (ngx_http_upstream_ip_hash_module). What is hashed is the first three bytes of an IPv4 address, all
 * of an IPv6 address, three zeros for a client on a unix socket; the hash of a further try begins
 * where that of the last one ended. */
#include "balance/group_parts.h"

enum { HASH_BEGIN = 89, HASH_FACTOR = 113, HASH_MODULUS = 6271, V4_BYTES = 3 };

struct octets {
    const unsigned char *bytes;
    unsigned             len;
};

static struct octets octets_of(const struct address *client)
{
    static const unsigned char nothing[V4_BYTES];
    struct octets              octets = { NULL, 0 };

    if (client != NULL)
        octets.bytes = address_bytes(client, &octets.len);
    if (octets.bytes == NULL)
        return (struct octets){ nothing, V4_BYTES };
    if (octets.len == 4)
        octets.len = V4_BYTES;
    return octets;
}

static unsigned hash_on(unsigned hash, struct octets octets)
{
    for (unsigned i = 0; i < octets.len; i++)
        hash = (hash * HASH_FACTOR + octets.bytes[i]) % HASH_MODULUS;
    return hash;
}

static struct peer *pick(struct roster *roster, const struct pick_ask *ask)
{
    struct octets octets = octets_of(ask->client);
    uint64_t      lots = roster_lots(roster);
    unsigned      hash = HASH_BEGIN;

    if (lots == 0)
        return NULL;
    for (unsigned i = 0; i <= PICK_TRIES + ask->tried_count; i++) {
        struct peer *peer;

        hash = hash_on(hash, octets);
        peer = roster_at(roster, hash % lots);
        if (peer_is_usable(peer, ask))
            return peer;
    }
    return roster_in_turn(roster, ask);
}

const struct picker pick_ip_hash = { .name = "ip_hash", .pick = pick };
