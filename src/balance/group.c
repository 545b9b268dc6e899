// SPDX-License-Identifier: MIT
/* Groups: peers brought in line with a configuration, and the choice itself, which is the method's
 * (picker.h) among primaries, then among backups. */
#include "balance/group.h"

#include "balance/bindings.h"
#include "balance/check.h"
#include "balance/ejection.h"
#include "balance/members.h"
#include "balance/pick_time.h"
#include "balance/probe.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

enum { PROBE_EVERY_MS = 500 }; /* a server that has failed is asked, when no other is left */

/* ---- life ---- */

static void *group_build(void *arg)
{
    const struct text *name = arg;
    struct group *group = mem_new(sizeof(*group));

    group->name = text_from(mem_string(name->ptr, name->len));
    atomic_init(&group->refs, 1);
    pthread_mutex_init(&group->lock, NULL);
    queue_init(&group->queue);
    list_init(&group->shelf);
    for (unsigned i = 0; i < LOOPS_MOST; i++) {
        list_init(&group->idle[i]);
        list_init(&group->staying[i].by_age);
    }
    return group;
}

struct group *group_ref(struct group *group)
{
    atomic_fetch_add_explicit(&group->refs, 1, memory_order_relaxed);
    return group;
}

void group_unref(struct group *group)
{
    if (atomic_fetch_sub_explicit(&group->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&group->lock);
    queue_done(&group->queue);
    mem_free((void *)group->name.ptr);
    mem_free(group);
}

static void peers_drop(struct peer *old)
{
    while (old != NULL) {
        struct peer *peer = old;

        old = peer->next;
        peer->next = NULL;
        peer_unref(&peer);
    }
}

/* No configuration names it any more; peers that are in use, and idle ones, hold on to it. */
static void group_destroy(void *state)
{
    struct group *group = state;
    struct peer *peers;

    probes_drop(group);
    members_drop(group->members);
    group->members = NULL;
    pthread_mutex_lock(&group->lock);
    peers = group->peers;
    for (struct peer *peer = peers; peer != NULL; peer = peer->next)
        peer->is_listed = false;
    group->peers = NULL;
    group->peer_count = 0;
    map_free(&group->identities);
    roster_drop(&group->primaries);
    roster_drop(&group->backups);
    pthread_mutex_unlock(&group->lock);
    peers_drop(peers);
    group_unref(group);
}

struct link *group_idle(struct group *group, const struct loop *loop)
{
    return &group->idle[loop_number(loop)];
}

/* ---- in line with a configuration ---- */

static const struct picker *picker_of(const struct balance *balance)
{
    switch (balance->method) {
    case BALANCE_ROUND_ROBIN:
    case BALANCE_LEAST_CONN:
        break;
    case BALANCE_LEAST_TIME:
        return &pick_time;
    case BALANCE_RANDOM:
        return &pick_random;
    case BALANCE_HASH:
        return balance->is_consistent ? &pick_ring : &pick_hash;
    case BALANCE_IP_HASH:
        return &pick_ip_hash;
    }
    return &pick_quiet;
}

/* What was known of times goes on when the method is the same kind. */
static void method_set(struct group *group, const struct balance *balance)
{
    bool was_timed = group->balance.is_timed && group->balance.is_whole == balance->is_whole;

    group->picker = picker_of(balance);
    group->balance = *balance;
    group->balance.key = NULL; /* it lives with the snapshot */
    if (balance->is_timed && was_timed)
        return;
    group->timed_since_ms = clock_mono_ms() + 1;
    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next) {
        peer->open_count = 0;
        peer->open_since_ms = 0;
    }
}

/* Takes the peer with that address and name out of *from, or makes one. */
static struct peer *peer_take(struct group *group, struct peer **from,
                              const struct address *address, struct text name)
{
    for (struct peer **at = from; *at != NULL; at = &(*at)->next)
        if (address_is_equal(&(*at)->address, address) && text_is_equal((*at)->server, name)) {
            struct peer *peer = *at;

            *at = peer->next;
            peer->next = NULL;
            return peer;
        }
    return peer_new(group, address, name);
}

/* Somebody has been asked already: whoever joins now, or is not down any more, starts slowly. */
static bool is_at_work(const struct peer *peers)
{
    while (peers != NULL && peers->checked_ms == 0)
        peers = peers->next;
    return peers != NULL;
}

static bool has_mandatory_check(const struct group *group)
{
    const struct check *check = group->checks;

    while (check != NULL && !check->is_mandatory)
        check = check->next;
    return check != NULL;
}

/* Whoever joins is not asked before its mandatory checks have begun to say so themselves. */
static void await_checks(struct peer *peer)
{
    peer->is_awaiting_checks = true;
    peer->bad_checks++;
}

static void checks_have_begun(struct group *group)
{
    pthread_mutex_lock(&group->lock);
    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next) {
        peer->bad_checks -= peer->is_awaiting_checks;
        peer->is_awaiting_checks = false;
    }
    group_unlock_serving(group, clock_mono_ms(), SERVE_ALL);
}

static void configure(struct peer *peer, const struct upstream_server *server,
                      const struct station *station, bool is_late)
{
    bool was_out = peer->weight == 0 || peer->is_down;

    peer_configure(peer, server, station);
    peer->is_listed = true;
    if (!was_out || peer->is_down)
        return;
    if (is_late)
        health_returned(peer, clock_mono_ms());
    if (has_mandatory_check(peer->group))
        await_checks(peer);
}

/* What the members stand for now, taken from `old` where it is there; returns what is left of it. */
static struct peer *peers_renew(struct group *group, struct peer *old)
{
    struct peer **end = &group->peers;
    bool is_late = is_at_work(old);

    for (struct peer *peer = old; peer != NULL; peer = peer->next)
        peer->is_listed = false;
    group->peers = NULL;
    group->peer_count = 0;
    group->nobody = NOBODY_LIVE;
    for (struct member *member = group->members; member != NULL; member = member->next) {
        if (member->station_count == 0 && group->nobody != NOBODY_ASKING)
            group->nobody = member->failures > 0 ? NOBODY_KNOWN : NOBODY_ASKING;
        for (unsigned i = 0; i < member->station_count; i++) {
            struct peer *peer =
                peer_take(group, &old, &member->stations[i].address, member->server.name);

            configure(peer, &member->server, &member->stations[i], is_late);
            *end = peer;
            end = &peer->next;
            group->peer_count++;
        }
    }
    return old;
}

/* Those that share a route are tried in the configuration's order. */
static void identity_add(struct map *identities, struct peer *peer)
{
    struct peer *first = map_get(identities, identity_text(&peer->identity));

    peer->same_identity = NULL;
    if (first == NULL) {
        (void)map_add(identities, identity_text(&peer->identity), peer);
        return;
    }
    while (first->same_identity != NULL)
        first = first->same_identity;
    first->same_identity = peer;
}

static void identities_arrange(struct group *group)
{
    map_free(&group->identities);
    if (!group->is_sticky)
        return;
    group->identities = map_new(false);
    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next)
        identity_add(group->identities, peer);
}

static void rosters_arrange(struct group *group)
{
    int64_t now_ms = clock_mono_ms();

    roster_arrange(&group->primaries, group, false, now_ms);
    roster_arrange(&group->backups, group, true, now_ms);
    atomic_store_explicit(&group->has_to_tell,
                          group->primaries.heap != NULL || group->backups.heap != NULL ||
                              group->balance.is_timed || group->ejection.is_on ||
                              group->queue.limits.most > 0 || group->queue.count > 0,
                          memory_order_relaxed);
}

/* The caller has taken the lock; it is given back. */
static void rebuild(struct group *group)
{
    struct peer *gone;

    map_free(&group->identities); /* its keys lie in the peers */
    gone = peers_renew(group, group->peers);
    identities_arrange(group);
    rosters_arrange(group);
    group_unlock_serving(group, clock_mono_ms(), SERVE_ALL);
    probes_arrange(group);
    checks_have_begun(group);
    peers_drop(gone);
}

/* Who waits already goes on waiting under the former limits when there is to be no queue any more. */
static void queue_configure(struct queue *queue, const struct queue_limits *limits)
{
    if (limits->most > 0)
        queue->limits = *limits;
    else
        queue->limits.most = 0;
}

void group_rebuild(struct group *group)
{
    pthread_mutex_lock(&group->lock);
    rebuild(group);
}

/* Nobody may choose by a new method from what was arranged for the old one. */
static void reconfigure(struct group *group, const struct upstream *upstream)
{
    pthread_mutex_lock(&group->lock);
    method_set(group, &upstream->balance);
    ejection_configure(group, &upstream->ejection);
    group->is_sticky = upstream->sticky.kind != STICKY_OFF;
    queue_configure(&group->queue, &upstream->queue);
    rebuild(group);
}

void group_bind(struct upstream *upstream, struct loop *control)
{
    struct text   key = upstream->key.len > 0 ? upstream->key : upstream->name;
    struct zone  *zone = zone_ref("upstream", key, 0, group_build, &upstream->name, group_destroy);
    struct group *group = zone_state(zone);

    group->zone = zone;
    if (group->control == NULL)
        group->control = control;
    members_replace(group, upstream, control);
    probes_configure(group, upstream);
    reconfigure(group, upstream);
    members_ask(group);
    upstream->group = group;
    if (upstream->sticky.kind == STICKY_LEARN)
        upstream->sticky.bindings = bindings_ref(
            upstream->sticky.zone_name, upstream->sticky.zone_bytes, &upstream->sticky.zone);
}

void group_unbind(struct upstream *upstream)
{
    struct zone *zone = upstream->group->zone;

    if (upstream->group->checked_for == upstream)
        probes_drop(upstream->group);
    upstream->group = NULL;
    zone_unref(&zone);
    if (upstream->sticky.zone != NULL)
        bindings_unref(&upstream->sticky.zone);
}

/* ---- the choice ---- */

/* A lone server is never given up, but for what its checks say: whom else should we ask? (nginx's
 * single peer) */
static bool is_lone(const struct peer *peer)
{
    return peer != NULL && peer->next == NULL && !peer->is_down && !peer->is_draining &&
           peer->bad_checks == 0;
}

static struct peer *only_one(const struct group *group, const struct pick_ask *ask)
{
    struct peer *peer = group->peers;

    return is_lone(peer) && !peer_is_tried(peer, ask) && !peer_is_full(peer) ? peer : NULL;
}

/* All have failed, and a refusal is all that is left to say: now and then a request goes to the one
 * that was left alone longest instead, so that service is back as soon as a server is, and not when
 * fail_timeout is over. One at a time for each server; never another try of a request that has had
 * its own. */
static struct peer *pick_to_probe(const struct group *group, const struct pick_ask *ask)
{
    struct peer *oldest = NULL;

    if (ask->tried_count > 0)
        return NULL;
    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next) {
        if (peer->is_down || peer->is_draining || peer->bad_checks > 0 ||
            ask->now_ms - peer->checked_ms < PROBE_EVERY_MS || peer_in_flight(peer) > 0)
            continue;
        if (oldest == NULL || peer->checked_ms < oldest->checked_ms)
            oldest = peer;
    }
    if (oldest != NULL) {
        oldest->checked_ms = ask->now_ms;
        oldest->is_probed = true;
    }
    return oldest;
}

bool group_is_alive(const struct group *group, int64_t now_ms)
{
    const struct peer *peer = group->peers;

    if (is_lone(peer))
        return true;
    while (peer != NULL && !peer_is_up(peer, now_ms))
        peer = peer->next;
    return peer != NULL;
}

static bool is_bound(const struct peer *peer, const struct pick_ask *ask)
{
    return ask->bound.len > 0 && peer->group->is_sticky &&
           text_is_equal(identity_text(&peer->identity), ask->bound);
}

/* Full or not. */
static bool peer_may_serve(const struct peer *peer, const struct pick_ask *ask)
{
    return !peer_is_tried(peer, ask) && (!peer->is_draining || is_bound(peer, ask)) &&
           (is_lone(peer->group->peers) || peer_is_up(peer, ask->now_ms));
}

bool group_may_serve(const struct group *group, const struct pick_ask *ask)
{
    const struct peer *peer = group->peers;

    while (peer != NULL && !peer_may_serve(peer, ask))
        peer = peer->next;
    return peer != NULL;
}

/* Somebody who may serve it is full. */
static bool is_full(const struct group *group, const struct pick_ask *ask)
{
    const struct peer *peer = group->peers;

    while (peer != NULL && !(peer_is_full(peer) && peer_may_serve(peer, ask)))
        peer = peer->next;
    return peer != NULL;
}

/* Whom the request is bound to, backups among them: what its client has there is nowhere else. */
static struct peer *bound(const struct group *group, const struct pick_ask *ask)
{
    struct peer *peer = NULL;

    if (ask->bound.len > 0 && group->identities != NULL)
        peer = map_get(group->identities, ask->bound);
    while (peer != NULL && !peer_may_keep(peer, ask))
        peer = peer->same_identity;
    return peer;
}

struct peer *group_choose(struct group *group, const struct pick_ask *ask)
{
    struct peer *peer = bound(group, ask);

    if (peer == NULL)
        peer = only_one(group, ask);
    if (peer == NULL)
        peer = group->picker->pick(&group->primaries, ask);
    if (peer == NULL && group->backups.count > 0)
        peer = group->picker->pick(&group->backups, ask);
    if (peer != NULL || (group->queue.limits.most > 0 && is_full(group, ask)))
        return peer;
    return pick_to_probe(group, ask);
}

static void count_in(struct peer *peer)
{
    atomic_fetch_add_explicit(&peer->in_flight, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&peer->group->in_flight, 1, memory_order_relaxed);
}

static void count_out(struct peer *peer)
{
    atomic_fetch_sub_explicit(&peer->in_flight, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&peer->group->in_flight, 1, memory_order_relaxed);
}

/* Whoever left the list meanwhile is nobody's any more, but for those who still use it. */
static void peer_moved(struct group *group, struct peer *peer, int64_t now_ms)
{
    struct roster *roster = peer->is_backup ? &group->backups : &group->primaries;

    if (group->picker->moved != NULL && peer->is_listed)
        group->picker->moved(roster, peer, now_ms);
}

static void peer_chosen(struct group *group, struct peer *peer, int64_t now_ms)
{
    if (group->balance.is_timed && now_ms >= group->timed_since_ms)
        pick_time_begin(peer, now_ms);
    peer_moved(group, peer, now_ms);
}

static bool has_to_tell(const struct group *group)
{
    return atomic_load_explicit(&group->has_to_tell, memory_order_relaxed);
}

void group_take(struct peer *peer, int64_t now_ms)
{
    count_in(peer_ref(peer));
    peer->requests++;
    if (now_ms - peer->checked_ms > peer->fail_timeout_ms)
        peer->checked_ms = now_ms;
    peer_chosen(peer->group, peer, now_ms);
}

/* Nobody overtakes those who wait: with them in the queue, a newcomer joins it, unless nobody whom they
 * wait for is one for it. */
static enum nobody why_nobody(const struct group *group, const struct pick_ask *ask)
{
    if (group->peers == NULL)
        return group->nobody;
    return group->queue.limits.most > 0 &&
                   (is_full(group, ask) || (group->queue.count > 0 && group_may_serve(group, ask)))
               ? NOBODY_FREE
               : NOBODY_LIVE;
}

struct peer *group_pick(const struct upstream *upstream, const struct pick_ask *ask,
                        enum nobody *ret_nobody)
{
    struct group *group = upstream->group;
    struct peer *peer;

    pthread_mutex_lock(&group->lock);
    if (group->ejection_ends_ms != 0 && ask->now_ms >= group->ejection_ends_ms)
        ejection_end(group, ask->now_ms);
    peer = group->queue.count == 0 ? group_choose(group, ask) : NULL;
    if (peer != NULL)
        group_take(peer, ask->now_ms);
    else
        *ret_nobody = why_nobody(group, ask);
    pthread_mutex_unlock(&group->lock);
    return peer;
}

struct peer *group_pick_again(struct peer *peer, int64_t picked_ms)
{
    struct group *group = peer->group;

    count_in(peer_ref(peer));
    if (has_to_tell(group)) {
        pthread_mutex_lock(&group->lock);
        peer_chosen(group, peer, picked_ms);
        pthread_mutex_unlock(&group->lock);
    }
    return peer;
}

void group_head(struct peer *peer, const struct ending *ending)
{
    struct group *group = peer->group;

    if (!has_to_tell(group))
        return;
    pthread_mutex_lock(&group->lock);
    if (group->balance.is_timed)
        pick_time_head(peer, ending, clock_mono_ms());
    pthread_mutex_unlock(&group->lock);
}

void group_done(struct peer **peer, const struct ending *ending, bool *ret_is_now_down)
{
    struct peer *done = *peer;
    struct group *group = done->group;

    *ret_is_now_down = false;
    count_out(done);
    if (has_to_tell(group) || health_matters(done, ending)) {
        int64_t now_ms = clock_mono_ms();

        pthread_mutex_lock(&group->lock);
        if (group->balance.is_timed)
            pick_time_end(done, ending, now_ms);
        *ret_is_now_down = health_note(done, ending) && group->peer_count > 1;
        peer_moved(group, done, now_ms);
        if (peer_is_full(done))
            pthread_mutex_unlock(&group->lock);
        else
            group_unlock_serving(group, now_ms, *ret_is_now_down ? SERVE_ALL : SERVE_ONE);
    }
    if (ending->is_failure)
        group_doubt_names(group);
    peer_unref(peer);
}

struct identity group_identity(struct peer *peer)
{
    struct group *group = peer->group;
    struct identity identity;

    pthread_mutex_lock(&group->lock);
    identity = peer->identity;
    pthread_mutex_unlock(&group->lock);
    return identity;
}

void group_give_back(struct peer **peer, int64_t picked_ms)
{
    const struct ending ending = { .picked_ms = picked_ms };
    struct group       *group = (*peer)->group;
    int64_t             now_ms = clock_mono_ms();

    count_out(*peer);
    pthread_mutex_lock(&group->lock);
    if (group->balance.is_timed)
        pick_time_end(*peer, &ending, now_ms);
    peer_moved(group, *peer, now_ms);
    group_unlock_serving(group, now_ms, SERVE_ALL);
    peer_unref(peer);
}

unsigned group_peer_count(const struct upstream *upstream, const struct pick_ask *ask)
{
    struct group *group = upstream->group;
    unsigned count = 0;

    pthread_mutex_lock(&group->lock);
    for (const struct peer *peer = group->peers; peer != NULL; peer = peer->next)
        count += peer_is_tried(peer, ask) || (!peer->is_down && peer->bad_checks == 0);
    pthread_mutex_unlock(&group->lock);
    return count;
}

/* ---- the retry budget ---- */

/* Of the requests that are no retries, so that what reaches the servers is bounded by the same part. */
bool group_retry_begin(const struct upstream *upstream)
{
    struct group *group = upstream->group;
    unsigned      retries = atomic_fetch_add_explicit(&group->retries, 1, memory_order_relaxed);
    unsigned      all = atomic_load_explicit(&group->in_flight, memory_order_relaxed);
    uint64_t      firsts = all > retries ? all - retries : 0;

    if (upstream->retry_percent == RETRY_UNBOUNDED || retries < upstream->retry_least ||
        (uint64_t)(retries + 1) * 100 <= firsts * upstream->retry_percent)
        return true;
    group_retry_end(upstream);
    return false;
}

void group_retry_end(const struct upstream *upstream)
{
    atomic_fetch_sub_explicit(&upstream->group->retries, 1, memory_order_relaxed);
}

void group_note(const struct upstream *upstream, enum group_event event)
{
    atomic_fetch_add_explicit(&upstream->group->events[event], 1, memory_order_relaxed);
}

bool group_is_lost(struct peer *peer, int64_t picked_ms)
{
    struct group *group = peer->group;
    bool          is_lost;

    pthread_mutex_lock(&group->lock);
    is_lost = !is_lone(group->peers) && health_is_lost(peer, picked_ms, clock_mono_ms());
    pthread_mutex_unlock(&group->lock);
    return is_lost;
}

bool group_is_in_service(struct peer *peer)
{
    struct group *group = peer->group;
    bool          is_up;

    pthread_mutex_lock(&group->lock);
    is_up = peer_is_up(peer, clock_mono_ms());
    pthread_mutex_unlock(&group->lock);
    return is_up;
}

/* ---- how long answers take ---- */

void group_note_head(struct peer *peer, int64_t us)
{
    spread_note(&peer->group->heads, us);
}

int64_t group_head_percentile_us(const struct upstream *upstream, unsigned percent)
{
    return spread_percentile_us(&upstream->group->heads, percent);
}
