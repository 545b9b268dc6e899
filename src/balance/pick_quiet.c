// SPDX-License-Identifier: MIT
/* The quietest peer: fewest requests in flight per weight, on all loops; among equals smooth weighted
 * round robin decides. With requests one at a time all are equally idle and the sequence is exactly
 * nginx's round robin; under load it is its least_conn.
 *
 * Up to ROSTER_SCANNED peers are looked at one by one. A longer roster is kept as a heap by load and
 * turn: a peer's turn moves on by the inverse of its weight whenever it is chosen, which is weighted
 * round robin as well (earliest deadline first), in another order. Whoever is not up stands behind all
 * others; since health changes by the clock too, the heap is put in order as a whole now and then. */
#include "balance/group_parts.h"
#include "base/mem.h"

enum {
    TURN_ONE = 1 << 20,       /* the stride of a peer of weight 1 */
    REKEY_MS = 100,           /* so long may a peer that is up again go unnoticed */
    FRONTIER_MOST = 64        /* unusable ones passed over before the rest is scanned */
};

/* ---- scanning ---- */

static struct peer *quietest(const struct roster *roster, const struct pick_ask *ask,
                             uint64_t *ret_load)
{
    struct peer *best = NULL;
    uint64_t     best_load = 0;

    for (uint32_t i = 0; i < roster->count; i++) {
        struct peer *peer = roster->peers[i];
        uint64_t     load;

        if (!peer_is_usable(peer, ask))
            continue;
        load = peer_load(roster, peer, ask->now_ms);
        if (best == NULL || load < best_load) {
            best = peer;
            best_load = load;
        }
    }
    *ret_load = best_load;
    return best;
}

/* A peer that failed gets its weight back step by step; one that starts slowly grows into it. */
static int64_t step_weight(struct peer *peer, int64_t now_ms)
{
    int64_t now = (int64_t)peer_weight(peer, now_ms), effective = peer->effective_weight;

    if (peer->effective_weight < (int64_t)peer->weight * WEIGHT_ONE)
        peer->effective_weight += WEIGHT_ONE;
    return effective < now ? effective : now;
}

/* One round of smooth weighted round robin: all who may be chosen earn, one of those as quiet as `load`
 * pays. Were it a matter of the quiet alone, requests that come in step would always find the same
 * order. Who is too busy to be chosen saves up no more than one turn. */
static struct peer *round_robin(const struct roster *roster, const struct pick_ask *ask,
                                uint64_t load)
{
    struct peer *best = NULL;
    int64_t      total = 0;

    for (uint32_t i = 0; i < roster->count; i++) {
        struct peer *peer = roster->peers[i];
        bool         is_quiet;
        int64_t      weight;

        if (!peer_is_usable(peer, ask))
            continue;
        is_quiet = peer_load(roster, peer, ask->now_ms) <= load;
        weight = step_weight(peer, ask->now_ms);
        if (!is_quiet && peer->current_weight >= weight)
            continue;
        peer->current_weight += weight;
        total += weight;
        if (is_quiet && (best == NULL || peer->current_weight > best->current_weight))
            best = peer;
    }
    if (best != NULL)
        best->current_weight -= total;
    return best;
}

static struct peer *scan(const struct roster *roster, const struct pick_ask *ask)
{
    uint64_t     load = 0;
    struct peer *quiet = quietest(roster, ask, &load), *chosen;

    if (quiet == NULL)
        return NULL;
    chosen = round_robin(roster, ask, load);
    return chosen != NULL ? chosen : quiet;   /* other loops change the loads meanwhile */
}

/* ---- the heap ---- */

static bool is_before(const struct peer *a, const struct peer *b)
{
    return a->key_load != b->key_load ? a->key_load < b->key_load : a->key_turn < b->key_turn;
}

static void heap_put(struct roster *roster, uint32_t place, struct peer *peer)
{
    roster->heap[place] = peer;
    peer->heap_place = place;
}

static void sift_up(struct roster *roster, struct peer *peer)
{
    uint32_t place = peer->heap_place;

    for (; place > 0 && is_before(peer, roster->heap[(place - 1) / 2]); place = (place - 1) / 2)
        heap_put(roster, place, roster->heap[(place - 1) / 2]);
    heap_put(roster, place, peer);
}

static void sift_down(struct roster *roster, struct peer *peer)
{
    uint32_t place = peer->heap_place;

    for (;;) {
        uint32_t child = 2 * place + 1;

        if (child + 1 < roster->count && is_before(roster->heap[child + 1], roster->heap[child]))
            child++;
        if (child >= roster->count || !is_before(roster->heap[child], peer))
            break;
        heap_put(roster, place, roster->heap[child]);
        place = child;
    }
    heap_put(roster, place, peer);
}

static uint64_t stride_of(const struct peer *peer, int64_t now_ms)
{
    return TURN_ONE * (uint64_t)WEIGHT_ONE / peer_weight(peer, now_ms);
}

/* Whoever grows into its weight took long strides, which are not its measure any more. */
static void turn_shorten(const struct roster *roster, struct peer *peer, int64_t now_ms)
{
    uint64_t most = roster->turn + stride_of(peer, now_ms);

    if (peer->slow_since_ms != 0 && peer->turn > most)
        peer->turn = most;
}

static void key_set(const struct roster *roster, struct peer *peer, int64_t now_ms)
{
    bool was_out = peer->key_load == UINT64_MAX;
    bool is_open = peer_is_up(peer, now_ms) && !peer->is_draining;

    peer->key_load = is_open ? peer_load(roster, peer, now_ms) : UINT64_MAX;
    if (was_out && peer->turn < roster->turn)
        peer->turn = roster->turn;       /* what it missed is not made up for */
    turn_shorten(roster, peer, now_ms);
    peer->key_turn = peer->turn;
}

static void moved(struct roster *roster, struct peer *peer, int64_t now_ms)
{
    if (roster->heap == NULL)
        return;
    key_set(roster, peer, now_ms);
    sift_up(roster, peer);
    sift_down(roster, peer);
}

static void rekey(struct roster *roster, int64_t now_ms)
{
    roster->rekeyed_ms = now_ms;
    for (uint32_t i = 0; i < roster->count; i++)
        key_set(roster, roster->heap[i], now_ms);
    for (uint32_t i = roster->count / 2; i-- > 0;)
        sift_down(roster, roster->heap[i]);
}

static void arrange(struct roster *roster, int64_t now_ms)
{
    if (roster->count <= ROSTER_SCANNED)
        return;
    roster->heap = mem_new(roster->count * sizeof(struct peer *));
    for (uint32_t i = 0; i < roster->count; i++) {
        heap_put(roster, i, roster->peers[i]);
        if (roster->peers[i]->turn < roster->turn)
            roster->peers[i]->turn = roster->turn;   /* a new one does not catch up */
    }
    rekey(roster, now_ms);
}

/* Places whose parents have been passed over: one of them is the next best. */
struct frontier {
    uint32_t places[FRONTIER_MOST];
    unsigned count;
};

static struct peer *frontier_take(struct frontier *frontier, const struct roster *roster)
{
    unsigned     best = 0;
    struct peer *peer;

    for (unsigned i = 1; i < frontier->count; i++)
        if (is_before(roster->heap[frontier->places[i]], roster->heap[frontier->places[best]]))
            best = i;
    peer = roster->heap[frontier->places[best]];
    frontier->places[best] = frontier->places[--frontier->count];
    return peer;
}

static bool frontier_widen(struct frontier *frontier, const struct roster *roster, uint32_t place)
{
    for (uint32_t child = 2 * place + 1; child <= 2 * place + 2 && child < roster->count; child++) {
        if (frontier->count == FRONTIER_MOST)
            return false;
        frontier->places[frontier->count++] = child;
    }
    return true;
}

static void take_turn(struct roster *roster, struct peer *peer, int64_t now_ms)
{
    roster->turn = peer->turn;
    peer->turn += stride_of(peer, now_ms);
}

/* In the order of the heap, without taking it apart: the tried and the full are passed over. */
static struct peer *search(struct roster *roster, const struct pick_ask *ask)
{
    struct frontier frontier = { .places = { 0 }, .count = 1 };

    while (frontier.count > 0) {
        struct peer *peer = frontier_take(&frontier, roster);

        if (peer_is_usable(peer, ask))
            return peer;
        if (peer->key_load == UINT64_MAX)
            return NULL;   /* nobody behind it is up either */
        if (!frontier_widen(&frontier, roster, peer->heap_place))
            return scan(roster, ask);
    }
    return NULL;
}

static struct peer *pick(struct roster *roster, const struct pick_ask *ask)
{
    struct peer *peer;

    if (roster->heap == NULL)
        return scan(roster, ask);
    if (ask->now_ms - roster->rekeyed_ms >= REKEY_MS)
        rekey(roster, ask->now_ms);
    peer = search(roster, ask);
    if (peer != NULL)
        take_turn(roster, peer, ask->now_ms);
    return peer;
}

const struct picker pick_quiet = { "round_robin", arrange, pick, moved };
