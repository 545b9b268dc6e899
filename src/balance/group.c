// SPDX-License-Identifier: MIT
/* Groups: peers brought in line with a configuration, names resolved, the choice itself.
 *
 * Default method: among the peers that are least busy (requests in flight per weight, counted across
 * all loops) smooth weighted round robin decides. With requests one at a time all are equally idle,
 * and the sequence is exactly nginx's; under load a busy peer is never chosen over a quieter one. */
#include "balance/group.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/zone.h"
#include "net/resolver.h"

enum {
    RESOLVE_AGAIN_MS = 2000,  /* a name that did not resolve is tried again */
    PROBE_EVERY_MS = 500      /* a server that has failed is asked, when no other is left */
};

/* One `server` of the configuration, with the addresses that it stands for. Owner: the group; it
 * lives on the control loop, `resolve` on the job threads while is_asking. */
struct member {
    struct member         *next;
    struct group          *group;
    struct upstream_server server;       /* texts are copies */
    struct address        *addresses;
    unsigned               address_count;
    struct resolve         resolve;
    struct task            task;
    struct timer           timer;
    struct loop           *control;
    bool                   is_asking, is_obsolete, has_failed;
};

struct group {
    struct text     name;
    struct zone    *zone;
    atomic_uint     refs;                /* the zone's, and one of each peer */
    struct member  *members;             /* control thread only */
    pthread_mutex_t lock;                /* of what follows */
    struct peer    *peers;               /* in order of the configuration */
    unsigned        peer_count;
    enum nobody     nobody;              /* what it means that there are no peers */
    /* per loop, touched by that loop only */
    struct idle_list idle[LOOPS_MOST];
};

static void members_drop(struct member *members);
static void peers_rebuild(struct group *group);
static void peers_drop(struct peer *old);

/* ---- life ---- */

static void *group_build(void *arg)
{
    const struct text *name = arg;
    struct group      *group = mem_new(sizeof(*group));

    group->name = text_from(mem_string(name->ptr, name->len));
    atomic_init(&group->refs, 1);
    pthread_mutex_init(&group->lock, NULL);
    for (unsigned i = 0; i < LOOPS_MOST; i++)
        list_init(&group->idle[i].conns);
    return group;
}

static void group_unref(struct group *group)
{
    if (atomic_fetch_sub_explicit(&group->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&group->lock);
    mem_free((void *)group->name.ptr);
    mem_free(group);
}

/* No configuration names it any more; peers that are in use, and idle ones, hold on to it. */
static void group_destroy(void *state)
{
    struct group *group = state;
    struct peer  *peers;

    members_drop(group->members);
    group->members = NULL;
    pthread_mutex_lock(&group->lock);
    peers = group->peers;
    group->peers = NULL;
    group->peer_count = 0;
    pthread_mutex_unlock(&group->lock);
    peers_drop(peers);
    group_unref(group);
}

static struct peer *peer_new(struct group *group, const struct address *address)
{
    struct peer *peer = mem_new(sizeof(*peer));
    char         text[ADDRESS_TEXT_BYTES];

    address_string(address, text);
    atomic_fetch_add_explicit(&group->refs, 1, memory_order_relaxed);
    peer->group = group;
    peer->address = *address;
    peer->name = text_from(mem_string(text, strlen(text)));
    atomic_init(&peer->refs, 1);
    for (unsigned i = 0; i < LOOPS_MOST; i++)
        list_init(&peer->idle[i]);
    return peer;
}

struct peer *peer_ref(struct peer *peer)
{
    atomic_fetch_add_explicit(&peer->refs, 1, memory_order_relaxed);
    return peer;
}

void peer_unref(struct peer **peer)
{
    struct peer *done = *peer;

    *peer = NULL;
    if (done == NULL || atomic_fetch_sub_explicit(&done->refs, 1, memory_order_acq_rel) != 1)
        return;
    group_unref(done->group);
    mem_free((void *)done->name.ptr);
    mem_free(done);
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

struct idle_list *group_idle(struct group *group, const struct loop *loop)
{
    return &group->idle[loop_number(loop)];
}

/* ---- members ---- */

static struct member *member_new(struct group *group, const struct upstream_server *server,
                                 struct loop *control);
static void member_ask(struct member *member);

static void member_free(struct member *member)
{
    timer_remove(loop_timers(member->control), &member->timer);
    task_cancel(&member->task);
    mem_free((void *)member->server.name.ptr);
    mem_free((void *)member->server.host.ptr);
    mem_free(member->addresses);
    mem_free(member);
}

static void members_drop(struct member *members)
{
    while (members != NULL) {
        struct member *member = members;

        members = member->next;
        member->is_obsolete = true;
        if (!member->is_asking)
            member_free(member);
    }
}

static void member_set_addresses(struct member *member, const struct address *addresses,
                                 unsigned count)
{
    mem_free(member->addresses);
    member->addresses = mem_new(sizeof(struct address) * (count > 0 ? count : 1));
    if (count > 0)
        memcpy(member->addresses, addresses, sizeof(struct address) * count);
    member->address_count = count;
}

/* What the name stood for until now stays good until the new answer comes. */
static void member_inherit(struct member *member, const struct member *old)
{
    for (; old != NULL; old = old->next)
        if (!old->server.has_address && old->server.port == member->server.port &&
            text_is_equal(old->server.host, member->server.host)) {
            member_set_addresses(member, old->addresses, old->address_count);
            return;
        }
}

void group_bind(struct upstream *upstream, struct loop *control)
{
    struct zone   *zone = zone_ref("upstream", upstream->name, 0, group_build, &upstream->name,
                                   group_destroy);
    struct group  *group = zone_state(zone);
    struct member *old = group->members, **end = &group->members;

    group->zone = zone;
    group->members = NULL;
    for (unsigned i = 0; i < upstream->server_count; i++) {
        struct member *member = member_new(group, &upstream->servers[i], control);

        if (!member->server.has_address)
            member_inherit(member, old);
        *end = member;
        end = &member->next;
    }
    members_drop(old);
    peers_rebuild(group);
    for (struct member *member = group->members; member != NULL; member = member->next)
        if (!member->server.has_address)
            member_ask(member);
    upstream->group = group;
}

void group_unbind(struct upstream *upstream)
{
    struct zone *zone = upstream->group->zone;

    upstream->group = NULL;
    zone_unref(&zone);
}

/* ---- peers from members ---- */

static void peer_configure(struct peer *peer, const struct upstream_server *server)
{
    peer->max_conns = server->max_conns;
    peer->max_fails = server->max_fails;
    peer->fail_timeout_ms = server->fail_timeout_ms;
    peer->is_backup = server->is_backup;
    peer->is_down = server->is_down;
    if (peer->weight != server->weight)
        peer->effective_weight = (int)server->weight;
    peer->weight = server->weight;
}

/* Takes the peer with that address out of *from, or makes one. */
static struct peer *peer_take(struct group *group, struct peer **from,
                              const struct address *address)
{
    for (struct peer **at = from; *at != NULL; at = &(*at)->next)
        if (address_is_equal(&(*at)->address, address)) {
            struct peer *peer = *at;

            *at = peer->next;
            peer->next = NULL;
            return peer;
        }
    return peer_new(group, address);
}

/* The list anew, in the configuration's order; peers that were in it go on with their counters. */
static void peers_rebuild(struct group *group)
{
    struct peer *old, **end = &group->peers;

    pthread_mutex_lock(&group->lock);
    old = group->peers;
    group->peers = NULL;
    group->peer_count = 0;
    group->nobody = NOBODY_LIVE;
    for (struct member *member = group->members; member != NULL; member = member->next) {
        if (member->address_count == 0 && group->nobody != NOBODY_ASKING)
            group->nobody = member->has_failed ? NOBODY_KNOWN : NOBODY_ASKING;
        for (unsigned i = 0; i < member->address_count; i++) {
            struct peer *peer = peer_take(group, &old, &member->addresses[i]);

            peer_configure(peer, &member->server);
            *end = peer;
            end = &peer->next;
            group->peer_count++;
        }
    }
    pthread_mutex_unlock(&group->lock);
    peers_drop(old);
}

/* ---- names ---- */

static void member_ask(struct member *member)
{
    member->is_asking = true;
    resolve_start(&member->resolve, member->control);
}

static void member_run(struct task *task, unsigned wakes)
{
    (void)wakes;
    member_ask(container_of(task, struct member, task));
}

static void member_resolved(struct resolve *resolve)
{
    struct member *member = container_of(resolve, struct member, resolve);

    member->is_asking = false;
    if (member->is_obsolete) {
        member_free(member);
    } else if (resolve->error == 0 && resolve->count > 0) {
        member_set_addresses(member, resolve->addresses, resolve->count);
        peers_rebuild(member->group);
    } else {
        if (!member->has_failed)
            log_at(LOG_WARN, NULL,
                   "host not found in upstream \"%.*s\": the server counts as down and its name "
                   "is looked up again every %d s",
                   TEXT_ARGS(member->server.name), RESOLVE_AGAIN_MS / 1000);
        member->has_failed = true;
        peers_rebuild(member->group);
        timer_set(loop_timers(member->control), &member->timer,
                  loop_now_ms(member->control) + RESOLVE_AGAIN_MS);
    }
}

static struct member *member_new(struct group *group, const struct upstream_server *server,
                                 struct loop *control)
{
    struct member *member = mem_new(sizeof(*member));

    member->group = group;
    member->control = control;
    member->server = *server;
    member->server.name = text_from(mem_string(server->name.ptr, server->name.len));
    member->server.host = text_from(mem_string(server->host.ptr, server->host.len));
    task_init(&member->task, member_run);
    timer_init(&member->timer, &member->task);
    if (server->has_address)
        member_set_addresses(member, &server->address, 1);
    if (server->host.len > 0 && server->host.len < RESOLVE_NAME_BYTES)
        memcpy(member->resolve.name, server->host.ptr, server->host.len);
    member->resolve.port = server->port;
    member->resolve.done = member_resolved;
    return member;
}

/* ---- the choice ---- */

static bool is_tried(const struct pick_ask *ask, const struct peer *peer)
{
    for (unsigned i = 0; i < ask->tried_count && i < PICK_TRIED_MOST; i++)
        if (ask->tried[i] == peer)
            return true;
    return false;
}

static unsigned fails_of(const struct peer *peer)
{
    return atomic_load_explicit(&peer->fails, memory_order_relaxed);
}

static bool is_failed(const struct peer *peer, int64_t now_ms)
{
    return peer->max_fails > 0 && fails_of(peer) >= peer->max_fails &&
           now_ms - peer->checked_ms <= peer->fail_timeout_ms;
}

static bool is_full(const struct peer *peer)
{
    return peer->max_conns > 0 &&
           atomic_load_explicit(&peer->in_flight, memory_order_relaxed) >= peer->max_conns;
}

static bool is_usable(const struct peer *peer, const struct pick_ask *ask, bool is_backup)
{
    if (peer->is_down || peer->is_backup != is_backup || is_tried(ask, peer))
        return false;
    return !is_full(peer) && !is_failed(peer, ask->now_ms);
}

/* a is busier than b: more requests in flight per weight. */
static bool is_busier(const struct peer *a, const struct peer *b)
{
    uint64_t a_load = (uint64_t)atomic_load_explicit(&a->in_flight, memory_order_relaxed) *
                      b->weight;
    uint64_t b_load = (uint64_t)atomic_load_explicit(&b->in_flight, memory_order_relaxed) *
                      a->weight;

    return a_load > b_load;
}

static struct peer *quietest(const struct group *group, const struct pick_ask *ask, bool is_backup)
{
    struct peer *best = NULL;

    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next)
        if (is_usable(peer, ask, is_backup) && (best == NULL || is_busier(best, peer)))
            best = peer;
    return best;
}

/* One round of smooth weighted round robin among those as quiet as `quiet`. */
static struct peer *round_robin(const struct group *group, const struct pick_ask *ask,
                                bool is_backup, const struct peer *quiet)
{
    struct peer *best = NULL;
    int          total = 0;

    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next) {
        if (!is_usable(peer, ask, is_backup) || is_busier(peer, quiet))
            continue;
        peer->current_weight += peer->effective_weight;
        total += peer->effective_weight;
        if (peer->effective_weight < (int)peer->weight)
            peer->effective_weight++;
        if (best == NULL || peer->current_weight > best->current_weight)
            best = peer;
    }
    if (best != NULL)
        best->current_weight -= total;
    return best;
}

static struct peer *pick_among(const struct group *group, const struct pick_ask *ask,
                               bool is_backup)
{
    struct peer *quiet = quietest(group, ask, is_backup), *chosen;

    if (quiet == NULL)
        return NULL;
    chosen = round_robin(group, ask, is_backup, quiet);
    return chosen != NULL ? chosen : quiet;   /* other loops change the loads meanwhile */
}

/* A lone server is never given up: whom else should we ask? (nginx's single peer) */
static struct peer *only_one(const struct group *group, const struct pick_ask *ask)
{
    struct peer *peer = group->peers;

    if (peer == NULL || peer->next != NULL || peer->is_down || is_tried(ask, peer) || is_full(peer))
        return NULL;
    return peer;
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
        if (peer->is_down || ask->now_ms - peer->checked_ms < PROBE_EVERY_MS ||
            atomic_load_explicit(&peer->in_flight, memory_order_relaxed) > 0)
            continue;
        if (oldest == NULL || peer->checked_ms < oldest->checked_ms)
            oldest = peer;
    }
    if (oldest != NULL)
        oldest->checked_ms = ask->now_ms;
    return oldest;
}

struct peer *group_pick(const struct upstream *upstream, const struct pick_ask *ask,
                        enum nobody *ret_nobody)
{
    struct group *group = upstream->group;
    struct peer  *peer;

    pthread_mutex_lock(&group->lock);
    peer = only_one(group, ask);
    if (peer == NULL)
        peer = pick_among(group, ask, false);
    if (peer == NULL)
        peer = pick_among(group, ask, true);
    if (peer == NULL)
        peer = pick_to_probe(group, ask);
    *ret_nobody = group->peers == NULL ? group->nobody : NOBODY_LIVE;
    if (peer != NULL) {
        peer_ref(peer);
        atomic_fetch_add_explicit(&peer->in_flight, 1, memory_order_relaxed);
        if (ask->now_ms - peer->checked_ms > peer->fail_timeout_ms)
            peer->checked_ms = ask->now_ms;
    }
    pthread_mutex_unlock(&group->lock);
    return peer;
}

/* True: it is left alone from now on, which a group of one never does. */
static bool note_failure(struct peer *peer)
{
    int64_t now_ms = clock_mono_ms();
    bool    was_failed = peer->max_fails > 0 && fails_of(peer) >= peer->max_fails;

    atomic_fetch_add_explicit(&peer->fails, 1, memory_order_relaxed);
    peer->failed_ms = peer->checked_ms = now_ms;
    if (peer->max_fails > 0) {
        peer->effective_weight -= (int)(peer->weight / peer->max_fails);
        if (peer->effective_weight < 0)
            peer->effective_weight = 0;
    }
    return !was_failed && peer->max_fails > 0 && fails_of(peer) >= peer->max_fails &&
           peer->group->peer_count > 1;
}

void group_done(struct peer **peer, bool is_failure, bool *ret_is_now_down)
{
    struct peer  *done = *peer;
    struct group *group = done->group;

    *ret_is_now_down = false;
    atomic_fetch_sub_explicit(&done->in_flight, 1, memory_order_relaxed);
    if (is_failure || fails_of(done) > 0) {
        pthread_mutex_lock(&group->lock);
        if (is_failure)
            *ret_is_now_down = note_failure(done);
        else if (done->failed_ms < done->checked_ms)
            atomic_store_explicit(&done->fails, 0, memory_order_relaxed);   /* nginx's rule: a success after the period has begun anew */
        pthread_mutex_unlock(&group->lock);
    }
    peer_unref(peer);
}

unsigned group_peer_count(const struct upstream *upstream)
{
    struct group *group = upstream->group;
    unsigned      count;

    pthread_mutex_lock(&group->lock);
    count = group->peer_count;
    pthread_mutex_unlock(&group->lock);
    return count;
}
