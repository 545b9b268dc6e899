// SPDX-License-Identifier: MIT
/* Idle connections: a stack per peer and loop, and a list by age per group and loop for the limit. */
#include "balance/idle.h"

#include <threads.h>

static thread_local struct link resting;     /* of this thread's loop, by loop_link */

static struct link *resting_list(void)
{
    if (resting.next == NULL)
        list_init(&resting);
    return &resting;
}

static bool is_at_rest(const struct peer_conn *peer_conn)
{
    return list_is_linked(&peer_conn->link);
}

void idle_leave(struct loop *loop, struct peer_conn *peer_conn)
{
    if (!is_at_rest(peer_conn))
        return;
    list_remove(&peer_conn->link);
    list_remove(&peer_conn->age_link);
    list_remove(&peer_conn->loop_link);
    group_idle(peer_conn->peer->group, loop)->count--;
}

struct peer_conn *idle_take(struct loop *loop, struct peer *peer)
{
    struct link *stack = &peer->idle[loop_number(loop)];

    while (!list_is_empty(stack)) {
        struct peer_conn *peer_conn = container_of(stack->next, struct peer_conn, link);

        idle_leave(loop, peer_conn);
        if (conn_is_quiet(peer_conn->conn) && h1_is_idle(peer_conn->codec))
            return peer_conn;
        conn_close(peer_conn->conn, LOSS_CLOSED);
    }
    return NULL;
}

static void drop(struct loop *loop, struct peer_conn *peer_conn)
{
    idle_leave(loop, peer_conn);
    conn_close(peer_conn->conn, LOSS_CLOSED);
}

static bool may_rest(const struct loop *loop, const struct upstream *upstream,
                     const struct peer_conn *peer_conn)
{
    return upstream->keepalive > 0 && !peer_conn->conn->is_closed &&
           h1_is_idle(peer_conn->codec) && peer_conn->served < upstream->keepalive_requests &&
           loop_now_ms(loop) - peer_conn->made_ms < upstream->keepalive_time_ms;
}

void idle_give(struct loop *loop, const struct upstream *upstream, struct peer_conn *peer_conn)
{
    struct idle_list    *list = group_idle(peer_conn->peer->group, loop);
    struct conn_timeouts timeouts = {
        .waits_ms = { [CONN_WAIT_IDLE] = upstream->keepalive_timeout_ms },
    };

    if (!may_rest(loop, upstream, peer_conn)) {
        conn_close(peer_conn->conn, LOSS_CLOSED);
        return;
    }
    conn_set_timeouts(peer_conn->conn, &timeouts);
    task_wake(&peer_conn->conn->task, 0);   /* arms the new deadline */
    list_prepend(&peer_conn->peer->idle[loop_number(loop)], &peer_conn->link);
    list_prepend(&list->conns, &peer_conn->age_link);
    list_prepend(resting_list(), &peer_conn->loop_link);
    if (++list->count > upstream->keepalive)
        drop(loop, container_of(list->conns.prev, struct peer_conn, age_link));
}

unsigned idle_close_oldest(struct loop *loop, unsigned most)
{
    struct link *list = resting_list();
    unsigned     closed = 0;

    for (; closed < most && !list_is_empty(list); closed++)
        drop(loop, container_of(list->prev, struct peer_conn, loop_link));
    return closed;
}
