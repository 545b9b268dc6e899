// SPDX-License-Identifier: MIT
/* Passive health: max_fails and fail_timeout as nginx has them, and a sour note for whoever answers
 * quickly because it fails. */
#include "balance/health.h"

#include "balance/group_parts.h"
#include "base/clock.h"

enum {
    LOAD_ONE = 1 << 20,       /* parts of one request in flight per WEIGHT_ONE / WEIGHT_ONE */
    SOUR_MS = 10 * 1000
};

static unsigned fails_of(const struct peer *peer)
{
    return atomic_load_explicit(&peer->fails, memory_order_relaxed);
}

static bool is_failed(const struct peer *peer, int64_t now_ms)
{
    return peer->max_fails > 0 && fails_of(peer) >= peer->max_fails &&
           now_ms - peer->checked_ms <= peer->fail_timeout_ms;
}

bool peer_is_tried(const struct peer *peer, const struct pick_ask *ask)
{
    for (unsigned i = 0; i < ask->tried_count && i < PICK_TRIED_MOST; i++)
        if (ask->tried[i] == peer)
            return true;
    return false;
}

bool peer_is_full(const struct peer *peer)
{
    return peer->max_conns > 0 && peer_in_flight(peer) >= peer->max_conns;
}

bool peer_is_up(const struct peer *peer, int64_t now_ms)
{
    return !peer->is_down && !is_failed(peer, now_ms);
}

bool peer_is_usable(const struct peer *peer, const struct pick_ask *ask)
{
    return peer_is_up(peer, ask->now_ms) && !peer_is_full(peer) && !peer_is_tried(peer, ask);
}

uint64_t peer_weight(const struct peer *peer, int64_t now_ms)
{
    (void)now_ms;
    return (uint64_t)peer->weight * WEIGHT_ONE;
}

/* ---- load ---- */

static uint64_t load_of(uint64_t requests, uint64_t weight)
{
    return requests == 0 || weight == 0 ? 0 : requests * LOAD_ONE / weight;
}

static uint64_t load_of_others(const struct roster *roster, const struct peer *peer)
{
    uint64_t all = atomic_load_explicit(&roster->group->in_flight, memory_order_relaxed);
    uint64_t own = peer_in_flight(peer), weight = (uint64_t)peer->weight * WEIGHT_ONE;

    return all <= own ? 0 : load_of(all - own, roster->weight - weight);
}

bool peer_is_sour(const struct peer *peer, int64_t now_ms)
{
    return peer->soured_ms != 0 && now_ms - peer->soured_ms <= SOUR_MS;
}

uint64_t peer_load_of_one(const struct peer *peer, int64_t now_ms)
{
    return load_of(1, peer_weight(peer, now_ms));
}

uint64_t peer_load(const struct roster *roster, const struct peer *peer, int64_t now_ms)
{
    uint64_t own = load_of(peer_in_flight(peer), peer_weight(peer, now_ms)), others;

    if (!peer_is_sour(peer, now_ms))
        return own;
    others = load_of_others(roster, peer);
    return own > others ? own : others;
}

/* ---- what requests tell ---- */

static bool is_sour(const struct ending *ending)
{
    return ending->is_failure || ending->status >= 500;
}

bool health_matters(const struct peer *peer, const struct ending *ending)
{
    return is_sour(ending) || fails_of(peer) > 0;
}

static bool note_failure(struct peer *peer, int64_t now_ms)
{
    bool was_failed = peer->max_fails > 0 && fails_of(peer) >= peer->max_fails;

    atomic_fetch_add_explicit(&peer->fails, 1, memory_order_relaxed);
    peer->failed_ms = peer->checked_ms = now_ms;
    if (peer->max_fails > 0) {
        peer->effective_weight -= (int64_t)(peer->weight / peer->max_fails) * WEIGHT_ONE;
        if (peer->effective_weight < 0)
            peer->effective_weight = 0;
    }
    return !was_failed && peer->max_fails > 0 && fails_of(peer) >= peer->max_fails;
}

bool health_note(struct peer *peer, const struct ending *ending)
{
    int64_t now_ms = clock_mono_ms();

    if (is_sour(ending))
        peer->soured_ms = now_ms;
    if (ending->is_failure)
        return note_failure(peer, now_ms);
    if (peer->failed_ms < peer->checked_ms)
        atomic_store_explicit(&peer->fails, 0, memory_order_relaxed);   /* nginx's rule: a success after the period has begun anew */
    return false;
}
