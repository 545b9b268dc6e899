// SPDX-License-Identifier: MIT
/* Peers: made when a group needs one, gone with the last who holds it. */
#include "balance/peer.h"

#include <string.h>

#include "balance/members.h"
#include "base/mem.h"

struct peer *peer_new(struct group *group, const struct address *address, struct text server)
{
    struct peer *peer = mem_new(sizeof(*peer));
    char         text[ADDRESS_TEXT_BYTES];

    address_string(address, text);
    peer->group = group_ref(group);
    peer->address = *address;
    peer->name = text_from(mem_string(text, strlen(text)));
    peer->server = text_of(mem_string(server.ptr, server.len), server.len);
    atomic_init(&peer->refs, 1);
    list_init(&peer->shelf);
    for (unsigned i = 0; i < LOOPS_MOST; i++) {
        list_init(&peer->idle[i]);
        list_init(&peer->shared[i]);
    }
    return peer;
}

struct peer *peer_ref(struct peer *peer)
{
    atomic_fetch_add_explicit(&peer->refs, 1, memory_order_relaxed);
    return peer;
}

void peer_unref(struct peer **peer)
{
    struct peer       *done = *peer;
    struct tls_memory *sessions;

    *peer = NULL;
    if (done == NULL || atomic_fetch_sub_explicit(&done->refs, 1, memory_order_acq_rel) != 1)
        return;
    sessions = atomic_load_explicit(&done->sessions, memory_order_relaxed);
    tls_memory_free(&sessions);
    group_unref(done->group);
    mem_free((void *)done->name.ptr);
    mem_free((void *)done->server.ptr);
    mem_free(done);
}

struct tls_memory *peer_sessions(struct peer *peer)
{
    struct tls_memory *sessions = atomic_load_explicit(&peer->sessions, memory_order_acquire);
    struct tls_memory *made;

    if (sessions != NULL)
        return sessions;
    made = tls_memory_new();
    if (atomic_compare_exchange_strong(&peer->sessions, &sessions, made))
        return made;
    tls_memory_free(&made);
    return sessions;
}

void peer_note_protocol(struct peer *peer, uint64_t identity, bool is_http2)
{
    if (!is_http2)
        atomic_store_explicit(&peer->loner, identity, memory_order_relaxed);
    else if (!peer_may_share(peer, identity))
        atomic_store_explicit(&peer->loner, 0, memory_order_relaxed);
}

bool peer_may_share(const struct peer *peer, uint64_t identity)
{
    return atomic_load_explicit(&peer->loner, memory_order_relaxed) != identity;
}

void peer_configure(struct peer *peer, const struct upstream_server *server,
                    const struct station *station)
{
    peer->max_conns = server->max_conns;
    peer->max_fails = server->max_fails;
    peer->fail_timeout_ms = server->fail_timeout_ms;
    peer->slow_start_ms = server->slow_start_ms;
    peer->is_backup = station->is_backup;
    peer->is_down = server->is_down;
    peer->is_draining = server->is_draining;
    if (peer->group->is_sticky)
        peer->identity = identity_of(server->route, peer->name);
    if (peer->weight != station->weight)
        peer->effective_weight = (int64_t)station->weight * WEIGHT_ONE;
    peer->weight = station->weight;
}
