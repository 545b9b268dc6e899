// SPDX-License-Identifier: MIT
/* A peer's list of connections in use is short: there is another one only where the others are full. */
#include "balance/shared.h"

enum { WAITERS_MOST = 100 };             /* servers allow so many streams at least (RFC 9113 6.5.2) */

static struct peer_conn *of_link(struct link *link)
{
    return container_of(link, struct peer_conn, link);
}

bool shared_may_serve(const struct peer_conn *peer_conn, const struct upstream *upstream)
{
    int64_t age_ms = loop_now_ms(peer_conn->loop) - peer_conn->made_ms;

    return peer_conn->served + peer_conn->promised < upstream->keepalive_requests &&
           age_ms < upstream->keepalive_time_ms;
}

static bool may_take(const struct peer_conn *peer_conn, const struct connector_ask *ask)
{
    return peer_conn_room(peer_conn) > 0 &&
           (!ask->must_be_new || peer_conn->made_ms >= loop_now_ms(peer_conn->loop)) &&
           (peer_conn->served == 0 || shared_may_serve(peer_conn, ask->upstream));
}

struct peer_conn *shared_find(const struct connector_ask *ask, struct loop *loop, uint64_t identity)
{
    LIST_EACH(&ask->peer->shared[loop_number(loop)], at)
        if (of_link(at)->identity == identity && may_take(of_link(at), ask))
            return of_link(at);
    return NULL;
}

struct peer_conn *shared_find_coming(const struct connector_ask *ask, struct loop *loop,
                                     uint64_t identity)
{
    LIST_EACH(&ask->peer->shared[loop_number(loop)], at) {
        const struct peer_conn *peer_conn = of_link(at);

        if (peer_conn->identity == identity && !peer_conn->is_settled &&
            !peer_conn->line.conn->is_closed && peer_conn->user_count < WAITERS_MOST &&
            peer_conn->user_count < ask->upstream->keepalive_requests)
            return of_link(at);
    }
    return NULL;
}
