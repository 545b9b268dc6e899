// SPDX-License-Identifier: MIT
/* `hash key`: the same key goes to the same server as with nginx (ngx_http_upstream_hash_module),
 * whose method is Cache::Memcached's: the upper half of a CRC-32 of the key, modulo the weights of all
 * servers. When that one cannot be used, the number of the try is put in front of the key and the new
 * hash is added to the sum of the former.
 *
 * Nothing is kept between the tries of a request: each pick begins anew and passes over those that
 * were tried, which ends at the same server. */
#include "balance/group_parts.h"
#include "base/crc32.h"
#include "base/writer.h"

static uint32_t hash_of_try(struct text key, unsigned number)
{
    char          digits[12];
    struct writer writer = writer_fixed(digits, sizeof(digits));
    uint32_t      crc = 0;

    if (number > 0) {
        writer_u64(&writer, number);
        crc = crc32_add(crc, writer_done(&writer));
    }
    return crc32_add(crc, key) >> 16 & 0x7fff;
}

static struct peer *pick(struct roster *roster, const struct pick_ask *ask)
{
    uint64_t lots = roster_lots(roster);
    uint32_t sum = 0;

    if (lots == 0)
        return NULL;
    for (unsigned i = 0; ask->key.len > 0 && i <= PICK_TRIES + ask->tried_count; i++) {
        struct peer *peer;

        sum += hash_of_try(ask->key, i);
        peer = roster_at(roster, sum % lots);
        if (peer_is_usable(peer, ask))
            return peer;
    }
    return roster_in_turn(roster, ask);
}

const struct picker pick_hash = { .name = "hash", .pick = pick };
