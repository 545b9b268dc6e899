// SPDX-License-Identifier: MIT
/* Room is made before the lock is taken. Only this thread adds peers, so there is enough of it. */
#include "balance/figures.h"

#include "balance/ejection.h"
#include "balance/members.h"
#include "base/clock.h"

/* ---- peers ---- */

/* A lone server is asked although it fails. */
static enum peer_state state_of(const struct peer *peer, int64_t now_ms, int64_t *ret_left_ms)
{
    *ret_left_ms = 0;
    if (peer->is_down)
        return PEER_DOWN;
    if (peer->is_awaiting_checks)
        return PEER_CHECKING;
    if (peer->bad_checks > 0)
        return PEER_UNHEALTHY;
    if (peer_is_ejected(peer, now_ms)) {
        *ret_left_ms = peer->ejected_until_ms - now_ms;
        return PEER_EJECTED;
    }
    if (peer_is_failed(peer, now_ms) && peer->group->peer_count > 1) {
        *ret_left_ms = peer->checked_ms + peer->fail_timeout_ms - now_ms;
        return PEER_FAILING;
    }
    if (peer->is_draining)
        return PEER_DRAINING;
    if (peer_is_slow(peer, now_ms)) {
        *ret_left_ms = peer->slow_since_ms + peer->slow_start_ms - now_ms;
        return PEER_SLOW;
    }
    return PEER_UP;
}

/* Names die with the peer, which may be as soon as the lock is given back. */
static void peer_copy(const struct peer *peer, int64_t now_ms, struct arena *arena,
                      struct peer_figures *ret_figures)
{
    bool is_timed = peer->group->balance.is_timed;

    *ret_figures = (struct peer_figures){
        .address = arena_copy(arena, peer->name),
        .server = arena_copy(arena, peer->server),
        .is_backup = peer->is_backup,
        .weight = peer->weight,
        .max_conns = peer->max_conns,
        .in_flight = peer_in_flight(peer),
        .requests = peer->requests,
        .failures = peer->failures,
        .errors = peer->errors,
        .ejections = peer->ejections,
        .head_us = is_timed ? (int64_t)latency_now(&peer->head, now_ms) : 0,
        .whole_us = is_timed ? (int64_t)latency_now(&peer->whole, now_ms) : 0,
    };
    ret_figures->state = state_of(peer, now_ms, &ret_figures->left_ms);
}

/* ---- names ---- */

static unsigned names_count(const struct group *group)
{
    unsigned count = 0;

    for (const struct member *at = group->members; at != NULL; at = at->next)
        count += !at->server.has_address;
    return count;
}

static void names_copy(const struct group *group, struct arena *arena,
                       struct group_figures *figures)
{
    struct name_figures *to;

    figures->name_count = names_count(group);
    figures->names = to = ARENA_ARRAY(arena, struct name_figures, figures->name_count);
    for (const struct member *at = group->members; at != NULL; at = at->next) {
        if (at->server.has_address)
            continue;
        *to++ = (struct name_figures){ .name = arena_copy(arena, at->server.name),
                                       .addresses = at->station_count,
                                       .failures = at->failures,
                                       .asked_ago_ms = loop_now_ms(at->control) - at->asked_ms };
    }
}

/* ---- the group ---- */

static const char *const methods[] = {
    [BALANCE_ROUND_ROBIN] = "round_robin",
    [BALANCE_LEAST_CONN] = "least_conn",
    [BALANCE_LEAST_TIME] = "least_time",
    [BALANCE_RANDOM] = "random",
    [BALANCE_HASH] = "hash",
    [BALANCE_IP_HASH] = "ip_hash",
};

static void locked_copy(const struct group *group, struct arena *arena,
                        struct group_figures *figures)
{
    int64_t              now_ms = clock_mono_ms();
    struct peer_figures *to = figures->peers;

    figures->method = text_from(methods[group->balance.method]);
    figures->queue_most = group->queue.limits.most;
    figures->waiting = group->queue.count;
    figures->waiting_for_ms = group->queue.count > 0 ? now_ms - group->queue.busy_since_ms : 0;
    figures->waits = group->waits;
    for (const struct peer *peer = group->peers; peer != NULL; peer = peer->next)
        peer_copy(peer, now_ms, arena, to++);
}

struct group_figures group_figures(struct group *group, struct arena *arena)
{
    struct group_figures figures = {
        .name = group->name,
        .in_flight = atomic_load_explicit(&group->in_flight, memory_order_relaxed),
        .retries = atomic_load_explicit(&group->retries, memory_order_relaxed),
        .resting = atomic_load_explicit(&group->resting, memory_order_relaxed),
        .peer_count = group->peer_count,
        .peers = ARENA_ARRAY(arena, struct peer_figures, group->peer_count),
    };

    for (unsigned i = 0; i < GROUP_EVENTS; i++)
        figures.events[i] = atomic_load_explicit(&group->events[i], memory_order_relaxed);
    pthread_mutex_lock(&group->lock);
    locked_copy(group, arena, &figures);
    pthread_mutex_unlock(&group->lock);
    names_copy(group, arena, &figures);
    return figures;
}

const struct zone *group_next(const struct zone *after)
{
    return zone_next("upstream", after);
}
