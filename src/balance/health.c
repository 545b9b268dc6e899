// SPDX-License-Identifier: MIT
/* Passive health: max_fails and fail_timeout as nginx has them, slow_start as NGINX Plus has it, and
 * a sour note for whoever answers quickly because it fails. */
#include "balance/health.h"

#include "balance/ejection.h"
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

bool peer_is_failed(const struct peer *peer, int64_t now_ms)
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
    return !peer->is_down && peer->bad_checks == 0 && !peer_is_failed(peer, now_ms) &&
           !peer_is_ejected(peer, now_ms);
}

bool health_is_lost(const struct peer *peer, int64_t since_ms, int64_t now_ms)
{
    return peer->bad_checks > 0 || (peer_is_failed(peer, now_ms) && peer->unreached_ms > since_ms);
}

bool peer_may_keep(const struct peer *peer, const struct pick_ask *ask)
{
    return peer_is_up(peer, ask->now_ms) && !peer_is_full(peer) && !peer_is_tried(peer, ask);
}

bool peer_is_usable(const struct peer *peer, const struct pick_ask *ask)
{
    return !peer->is_draining && peer_may_keep(peer, ask);
}

/* ---- slow start ---- */

/* How much of its weight it has, in parts of slow_start_ms: all of it when that is over. */
static uint64_t grown_ms(const struct peer *peer, int64_t now_ms)
{
    int64_t grown = now_ms - peer->slow_since_ms;

    if (peer->slow_since_ms == 0 || grown >= peer->slow_start_ms)
        return peer->slow_start_ms;
    return grown > 0 ? (uint64_t)grown : 0;
}

bool peer_is_slow(const struct peer *peer, int64_t now_ms)
{
    return grown_ms(peer, now_ms) < peer->slow_start_ms;
}

void health_returned(struct peer *peer, int64_t now_ms)
{
    peer->slow_since_ms = peer->slow_start_ms > 0 ? now_ms : 0;
}

void health_recovered(struct peer *peer, int64_t now_ms)
{
    atomic_store_explicit(&peer->fails, 0, memory_order_relaxed);
    health_returned(peer, now_ms);
}

uint64_t peer_weight(const struct peer *peer, int64_t now_ms)
{
    uint64_t whole = (uint64_t)peer->weight * WEIGHT_ONE, part;

    if (!peer_is_slow(peer, now_ms))
        return whole;
    part = whole * grown_ms(peer, now_ms) / peer->slow_start_ms;
    return part > 0 ? part : 1;
}

/* ---- load ---- */

static uint64_t load_of(uint64_t requests, uint64_t weight)
{
    return requests == 0 || weight == 0 ? 0 : requests * LOAD_ONE / weight;
}

static uint64_t in_flight_of_others(const struct roster *roster, const struct peer *peer)
{
    uint64_t all = atomic_load_explicit(&roster->group->in_flight, memory_order_relaxed);
    uint64_t own = peer_in_flight(peer);

    return all <= own ? 0 : all - own;
}

static uint64_t load_of_others(const struct roster *roster, const struct peer *peer)
{
    uint64_t weight = (uint64_t)peer->weight * WEIGHT_ONE;

    return load_of(in_flight_of_others(roster, peer), roster->weight - weight);
}

/* What it would have above its fellows with one more request: an idle one waits until they are as
 * busy. As quiet as they are on average, in whole requests, it takes its turn by weight. */
static uint64_t load_of_slow(const struct roster *roster, const struct peer *peer, int64_t now_ms)
{
    uint64_t whole = (uint64_t)peer->weight * WEIGHT_ONE, others = roster->weight - whole;
    uint64_t ahead = load_of(1, peer_weight(peer, now_ms)) - load_of(1, whole);
    uint64_t level =
        others == 0 ? 0 : load_of(in_flight_of_others(roster, peer) * whole / others, whole);

    return ahead < level ? ahead : level;
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
    uint64_t own = load_of(peer_in_flight(peer), peer_weight(peer, now_ms)), least = 0;

    if (peer_is_sour(peer, now_ms))
        least = load_of_others(roster, peer);
    else if (peer_is_slow(peer, now_ms))
        least = load_of_slow(roster, peer, now_ms);
    return own > least ? own : least;
}

/* ---- what requests tell ---- */

bool ending_is_bad(const struct ending *ending)
{
    return ending->is_failure || ending->status >= 500;
}

bool health_matters(const struct peer *peer, const struct ending *ending)
{
    return ending_is_bad(ending) || fails_of(peer) > 0;
}

static bool has_had_its_fails(const struct peer *peer)
{
    return peer->max_fails > 0 && fails_of(peer) >= peer->max_fails;
}

static bool note_failure(struct peer *peer, bool is_unreached, int64_t now_ms)
{
    bool was_failed = has_had_its_fails(peer);

    atomic_fetch_add_explicit(&peer->fails, 1, memory_order_relaxed);
    peer->failed_ms = peer->checked_ms = now_ms;
    if (is_unreached)
        peer->unreached_ms = now_ms;
    if (peer->max_fails > 0) {
        peer->effective_weight -= (int64_t)(peer->weight / peer->max_fails) * WEIGHT_ONE;
        if (peer->effective_weight < 0)
            peer->effective_weight = 0;
    }
    return !was_failed && has_had_its_fails(peer);
}

/* nginx's rule: a success clears them after the period has begun anew. */
static void note_success(struct peer *peer, int64_t now_ms)
{
    if (peer->failed_ms >= peer->checked_ms)
        return;
    if (has_had_its_fails(peer))
        health_returned(peer, now_ms);
    atomic_store_explicit(&peer->fails, 0, memory_order_relaxed);
}

bool health_note(struct peer *peer, const struct ending *ending)
{
    int64_t now_ms = clock_mono_ms();

    ejection_note(peer, ending, now_ms);
    if (ending_is_bad(ending))
        peer->soured_ms = now_ms;
    peer->failures += ending->is_failure;
    peer->errors += ending->status >= 500;
    if (ending->is_failure)
        return note_failure(peer, ending->is_unreached, now_ms);
    if (ending->status != 0)   /* else it was cancelled, which proves nothing */
        note_success(peer, now_ms);
    return false;
}
