// SPDX-License-Identifier: MIT
/* Patience: what a peer says holds at once; what it does is believed when it has done so twice, at
 * different times, and for ten minutes, since it may have been restarted with other settings. */
#include "balance/patience.h"

enum {
    DAY_S = 24 * 60 * 60,
    MARGIN_MS = 1000,         /* earlier than the peer; on its way a request takes that long at most */
    ALIKE_MS = 1200,          /* two observations of one timeout: the shelf is swept twice a second */
    APART_MS = 1000,          /* those of one moment are one: a restart closes all it has */
    BELIEVED_MS = 10 * 60 * 1000
};

static uint32_t earlier(int64_t rests_ms)
{
    if (rests_ms > 2 * MARGIN_MS)
        return (uint32_t)(rests_ms - MARGIN_MS);
    return rests_ms > 2 ? (uint32_t)(rests_ms / 2) : 1;
}

bool patience_parse(struct text value, uint32_t *ret_seconds)
{
    const struct text name = TEXT("timeout=");
    struct text       rest = value, part;

    while (text_split(&rest, ',', &part)) {
        uint64_t seconds;

        part = text_trim(part);
        if (!text_has_prefix_nocase(part, name))
            continue;
        if (text_to_u64(text_from_offset(part, name.len), &seconds) < 0 || seconds > DAY_S)
            return false;
        *ret_seconds = (uint32_t)seconds;
        return true;
    }
    return false;
}

static void believe(struct peer *peer, uint32_t rest_ms, int64_t until_ms)
{
    atomic_store_explicit(&peer->patience_ms, rest_ms, memory_order_relaxed);
    atomic_store_explicit(&peer->patience_until_ms, until_ms, memory_order_relaxed);
}

void patience_note_said(struct peer *peer, struct text value, int64_t now_ms)
{
    uint32_t seconds;

    if (value.len > 0 && patience_parse(value, &seconds))
        believe(peer, earlier((int64_t)seconds * 1000), now_ms + BELIEVED_MS);
}

void patience_note_closed(struct peer *peer, int64_t rested_ms, int64_t now_ms)
{
    int64_t before_ms = atomic_exchange_explicit(&peer->closed_ms, now_ms, memory_order_relaxed);
    int64_t last_ms =
        atomic_exchange_explicit(&peer->closed_after_ms, rested_ms, memory_order_relaxed);
    int64_t difference_ms = last_ms > rested_ms ? last_ms - rested_ms : rested_ms - last_ms;

    if (before_ms == 0 || now_ms - before_ms < APART_MS || difference_ms > ALIKE_MS)
        return;
    believe(peer, earlier(last_ms < rested_ms ? last_ms : rested_ms), now_ms + BELIEVED_MS);
}

uint32_t patience_ms(const struct peer *peer, uint32_t keepalive_ms, int64_t now_ms)
{
    uint32_t known_ms = atomic_load_explicit(&peer->patience_ms, memory_order_relaxed);

    if (known_ms == 0 || known_ms >= keepalive_ms ||
        now_ms > atomic_load_explicit(&peer->patience_until_ms, memory_order_relaxed))
        return keepalive_ms;
    return known_ms;
}
