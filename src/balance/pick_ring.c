// SPDX-License-Identifier: MIT
/* `hash key consistent`: the same key goes to the same server as with nginx
 * (ngx_http_upstream_hash_module), which is ketama as Cache::Memcached::Fast has it with 160 points:
 * each server has 160 points on a ring for each part of its weight, made of the CRC-32 of
 * "host \0 port" as its `server` line names it and of its point before; a key belongs to the next
 * point at or after its own CRC-32. When nobody there can be used, the point behind it is next.
 *
 * `bounded=`: a server that has more than so many times its share of the requests in flight is passed
 * over like that, too (consistent hashing with bounded loads, Mirrokni, Thorup, Zadimoghaddam 2016).
 *
 * The points depend on names and weights only; they are kept when a roster is arranged anew with the
 * same. */
#include <stdlib.h>

#include "balance/group_parts.h"
#include "base/crc32.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"

enum {
    POINTS_PER_WEIGHT = 160,
    WEIGHT_MOST = 10 * 1000,              /* of all together; beyond, each gets its part of that */
    PASSES_MOST = 8 * POINTS_PER_WEIGHT,  /* points of busy servers that a key may pass over */
    SHARES_MS = 100                       /* so old may the sum of usable weights be */
};

struct point {
    uint32_t hash;
    uint32_t server;                     /* number in ring.servers */
};

/* All peers of one name: a `server` line whose name has several addresses, or several lines. */
struct ring_server {
    struct text name;                    /* borrowed from its first peer */
    uint32_t    weight;                  /* largest of any peer's */
    uint32_t    first, count;            /* in ring.peers */
};

struct ring {
    struct point       *points;
    uint32_t            point_count;
    uint64_t            shape;           /* of the names and weights that the points were made of */
    struct ring_server *servers;
    uint32_t            server_count;
    struct peer       **peers;           /* by server */
    uint64_t            usable_weight;   /* of bounded loads: whom the requests are shared among */
    int64_t             shared_ms;       /* when that was so */
};

static void forget_servers(struct ring *ring)
{
    mem_free(ring->servers);
    mem_free(ring->peers);
    ring->servers = NULL;
    ring->peers = NULL;
    ring->server_count = 0;
}

void ring_free(struct ring **ring)
{
    struct ring *done = *ring;

    *ring = NULL;
    if (done == NULL)
        return;
    forget_servers(done);
    mem_free(done->points);
    mem_free(done);
}

/* ---- servers ---- */

static struct ring_server *server_of(struct ring *ring, struct map *names, const struct peer *peer)
{
    struct ring_server *server = map_get(names, peer->server);

    if (server == NULL) {
        server = &ring->servers[ring->server_count++];
        server->name = peer->server;
        (void)map_add(names, server->name, server);
    }
    return server;
}

static void servers_count(struct ring *ring, struct map *names, const struct roster *roster)
{
    uint32_t first = 0;

    for (uint32_t i = 0; i < roster->count; i++) {
        struct ring_server *server = server_of(ring, names, roster->peers[i]);

        server->count++;
        if (roster->peers[i]->weight > server->weight)
            server->weight = roster->peers[i]->weight;
    }
    for (uint32_t i = 0; i < ring->server_count; i++) {
        ring->servers[i].first = first;
        first += ring->servers[i].count;
        ring->servers[i].count = 0;
    }
}

/* Servers, and the peers of each, stay in the configuration's order. */
static void servers_group(struct ring *ring, const struct roster *roster)
{
    struct map *names = map_new(false);

    forget_servers(ring);
    ring->servers = mem_new(roster->count * sizeof(struct ring_server));
    ring->peers = mem_new(roster->count * sizeof(struct peer *));
    servers_count(ring, names, roster);
    for (uint32_t i = 0; i < roster->count; i++) {
        struct ring_server *server = server_of(ring, names, roster->peers[i]);

        ring->peers[server->first + server->count++] = roster->peers[i];
    }
    map_free(&names);
}

/* ---- points ---- */

static int compare_points(const void *a, const void *b)
{
    const struct point *one = a, *other = b;

    if (one->hash != other->hash)
        return one->hash < other->hash ? -1 : 1;
    return one->server < other->server ? -1 : one->server > other->server;
}

/* A port is what follows the last colon, when that is digits only; "unix:" goes by its path. */
static void split_name(struct text name, struct text *ret_host, struct text *ret_port)
{
    size_t colon = text_find_last(name, ':'), at = colon + 1;

    *ret_host = name;
    *ret_port = TEXT("");
    if (text_has_prefix_nocase(name, TEXT("unix:"))) {
        *ret_host = text_from_offset(name, 5);
        return;
    }
    while (at < name.len && name.ptr[at] >= '0' && name.ptr[at] <= '9')
        at++;
    if (colon == name.len || at < name.len)
        return;
    *ret_host = text_part(name, 0, colon);
    *ret_port = text_from_offset(name, colon + 1);
}

static void points_add(struct ring *ring, uint32_t number, uint64_t weight)
{
    const struct ring_server *server = &ring->servers[number];
    struct text               host, port;
    uint32_t                  base, hash = 0;

    split_name(server->name, &host, &port);
    base = crc32_add(crc32_add(crc32_add(0, host), text_of("", 1)), port);
    for (uint64_t i = 0; i < weight * POINTS_PER_WEIGHT; i++) {
        char little[4] = { (char)(hash & 255), (char)(hash >> 8 & 255), (char)(hash >> 16 & 255),
                           (char)(hash >> 24) };

        hash = crc32_add(base, text_of(little, sizeof(little)));
        ring->points[ring->point_count++] = (struct point){ hash, number };
    }
}

static void drop_equals(struct ring *ring)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < ring->point_count; i++)
        if (kept == 0 || ring->points[kept - 1].hash != ring->points[i].hash)
            ring->points[kept++] = ring->points[i];
    ring->point_count = kept;
}

static uint64_t weight_of(const struct ring_server *server, uint64_t all)
{
    uint64_t part = all <= WEIGHT_MOST ? server->weight : server->weight * WEIGHT_MOST / all;

    return part > 0 ? part : 1;
}

/* Without memory for them there are none, and the roster's turn decides. */
static void points_make(struct ring *ring)
{
    uint64_t all = 0, most = 0;

    for (uint32_t i = 0; i < ring->server_count; i++)
        all += ring->servers[i].weight;
    for (uint32_t i = 0; i < ring->server_count; i++)
        most += weight_of(&ring->servers[i], all) * POINTS_PER_WEIGHT;
    mem_free(ring->points);
    ring->points = mem_try(most * sizeof(struct point));
    ring->point_count = 0;
    if (ring->points == NULL)
        return;
    for (uint32_t i = 0; i < ring->server_count; i++)
        points_add(ring, i, weight_of(&ring->servers[i], all));
    qsort(ring->points, ring->point_count, sizeof(struct point), compare_points);
    drop_equals(ring);
}

static uint64_t shape_of(const struct ring *ring)
{
    uint64_t shape = ring->server_count;

    for (uint32_t i = 0; i < ring->server_count; i++) {
        uint64_t parts[3] = { shape, hash_text(ring->servers[i].name), ring->servers[i].weight };

        shape = hash_text(text_of((const char *)parts, sizeof(parts)));
    }
    return shape;
}

static void arrange(struct roster *roster, int64_t now_ms)
{
    struct ring *ring = roster->ring;
    uint64_t     shape;

    (void)now_ms;
    if (roster->count == 0) {
        ring_free(&roster->ring);
        return;
    }
    if (ring == NULL)
        ring = roster->ring = mem_new(sizeof(*ring));
    servers_group(ring, roster);
    ring->shared_ms = 0;
    shape = shape_of(ring);
    if (ring->points == NULL || ring->shape != shape)
        points_make(ring);
    ring->shape = shape;
}

/* The first point at or after the hash; past the last one it is the first of all. */
static uint32_t point_of(const struct ring *ring, uint32_t hash)
{
    uint32_t from = 0, to = ring->point_count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (ring->points[middle].hash < hash)
            from = middle + 1;
        else
            to = middle;
    }
    return from % ring->point_count;
}

/* ---- bounded loads ---- */

/* Half of the servers may be down: the others must be allowed to take their requests. */
static void share(struct roster *roster, int64_t now_ms)
{
    struct ring *ring = roster->ring;

    if (ring->shared_ms != 0 && now_ms - ring->shared_ms < SHARES_MS)
        return;
    ring->shared_ms = now_ms;
    ring->usable_weight = 0;
    for (uint32_t i = 0; i < roster->count; i++)
        if (peer_is_up(roster->peers[i], now_ms) && !roster->peers[i]->is_draining)
            ring->usable_weight += peer_weight(roster->peers[i], now_ms);
}

static bool is_over(const struct roster *roster, const struct peer *peer, int64_t now_ms)
{
    const struct group *group = roster->group;
    uint64_t percent = group->balance.bound_percent, usable = roster->ring->usable_weight;
    uint64_t all = atomic_load_explicit(&group->in_flight, memory_order_relaxed) + UINT64_C(1);

    if (percent == 0 || usable == 0)
        return false;
    /* in flight >= ceil(percent / 100 * all * weight / usable) */
    return (double)peer_in_flight(peer) >=
           (double)percent / 100 * (double)all * (double)peer_weight(peer, now_ms) / (double)usable;
}

/* ---- the choice ---- */

/* Among the addresses of one name smooth weighted round robin decides. */
static struct peer *of_server(const struct ring *ring, const struct ring_server *server,
                              const struct pick_ask *ask)
{
    struct peer *best = NULL;
    int64_t      total = 0;

    for (uint32_t i = server->first; i < server->first + server->count; i++) {
        struct peer *peer = ring->peers[i];
        int64_t      weight = peer->effective_weight;

        if (!peer_is_usable(peer, ask))
            continue;
        peer->current_weight += weight;
        total += weight;
        if (weight < (int64_t)peer->weight * WEIGHT_ONE)
            peer->effective_weight += WEIGHT_ONE;
        if (best == NULL || peer->current_weight > best->current_weight)
            best = peer;
    }
    if (best != NULL)
        best->current_weight -= total;
    return best;
}

static struct peer *quieter(const struct roster *roster, struct peer *one, struct peer *other,
                            int64_t now_ms)
{
    if (one == NULL || peer_load(roster, other, now_ms) < peer_load(roster, one, now_ms))
        return other;
    return one;
}

static struct peer *search(struct roster *roster, const struct pick_ask *ask)
{
    const struct ring *ring = roster->ring;
    uint32_t           place = point_of(ring, crc32_add(0, ask->key));
    unsigned           tries = 0, passes = 0;
    struct peer       *busy = NULL;

    while (tries <= PICK_TRIES && passes <= PASSES_MOST && passes + tries < ring->point_count) {
        const struct point *point = &ring->points[(place + tries + passes) % ring->point_count];
        struct peer        *peer = of_server(ring, &ring->servers[point->server], ask);

        if (peer != NULL && !is_over(roster, peer, ask->now_ms))
            return peer;
        if (peer != NULL) {
            busy = quieter(roster, busy, peer, ask->now_ms);
            passes++;
        } else {
            tries++;
        }
    }
    return busy;
}

static struct peer *pick(struct roster *roster, const struct pick_ask *ask)
{
    struct peer *peer = NULL;

    if (roster->ring == NULL)
        return NULL;
    if (roster->group->balance.bound_percent > 0)
        share(roster, ask->now_ms);
    if (ask->key.len > 0 && roster->ring->point_count > 0)
        peer = search(roster, ask);
    return peer != NULL ? peer : roster_in_turn(roster, ask);
}

const struct picker pick_ring = { .name = "hash", .arrange = arrange, .pick = pick };
