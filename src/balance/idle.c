// SPDX-License-Identifier: MIT
/* Idle connections: a stack per peer and loop, a list by age per group and loop for the limit, and
 * one per loop for what goes to the shelf. */
#include "balance/idle.h"

#include <threads.h>

#include "balance/group_parts.h"
#include "balance/patience.h"
#include "balance/shelf.h"
#include "net/room.h"

enum {
    WARM_MS = 100,            /* many turns under load; when there is little, the shelf costs little */
    SHELF_SHARE = 2
};

/* What rests on this thread's loop. */
struct rest {
    struct link  conns;                  /* by loop_link: warm ones, */
    struct link  settled;                /* and older ones that stay */
    struct loop *loop;
    struct task  task;                   /* looks after those that are no longer warm */
    struct timer timer;
    bool         is_timed;
};

static thread_local struct rest rest;
static const char               rest_key;

static void rest_run(struct task *task, unsigned wakes);

static struct rest *rest_of(struct loop *loop)
{
    if (loop_local(loop, &rest_key) == NULL) {
        rest = (struct rest){ .loop = loop };
        list_init(&rest.conns);
        list_init(&rest.settled);
        task_init(&rest.task, rest_run);
        timer_init(&rest.timer, &rest.task);
        loop_local_set(loop, &rest_key, &rest);
    }
    return &rest;
}

static void rest_again(struct rest *mine)
{
    bool has_warm = !list_is_empty(&mine->conns);

    mine->is_timed = has_warm || shelf_count() > 0;
    if (mine->is_timed)
        timer_set(loop_timers(mine->loop), &mine->timer,
                  loop_now_ms(mine->loop) + (has_warm ? WARM_MS : SHELF_SWEEP_MS));
}

/* ---- leaving ---- */

static bool is_at_rest(const struct peer_conn *peer_conn)
{
    return list_is_linked(&peer_conn->age_link);
}

static void unlink_rest(struct peer_conn *peer_conn)
{
    list_remove(&peer_conn->link);
    list_remove(&peer_conn->age_link);
    list_remove(&peer_conn->loop_link);
}

static void leave(struct peer_conn *peer_conn)
{
    struct group *group = peer_conn->peer->group;

    unlink_rest(peer_conn);
    if (peer_conn->is_bare)
        atomic_fetch_sub_explicit(&group->resting, 1, memory_order_relaxed);
    else
        group->staying[loop_number(peer_conn->loop)].count--;
}

static void drop(struct peer_conn *peer_conn)
{
    leave(peer_conn);
    conn_close(peer_conn->line.conn, LOSS_CLOSED);
}

/* Still at rest, so it was not us, unless its time was over. */
void idle_ended(struct loop *loop, struct peer_conn *peer_conn)
{
    int64_t now_ms = loop_now_ms(loop);

    if (!is_at_rest(peer_conn))
        return;
    leave(peer_conn);
    if (now_ms < peer_conn->until_ms)
        patience_note_closed(peer_conn->peer, now_ms - peer_conn->rested_ms, now_ms);
}

/* Where several messages may be under way, what comes without being asked for is none of them. */
static bool is_fit(struct peer_conn *peer_conn)
{
    if (peer_conn->is_shared)
        return peer_conn_room(peer_conn) > 0 && !peer_conn->line.conn->has_hangup;
    return conn_is_quiet(peer_conn->line.conn) &&
           peer_conn->line.codec->ops->is_idle(peer_conn->line.codec);
}

struct peer_conn *idle_take(struct loop *loop, struct peer *peer, uint64_t identity)
{
    LIST_EACH_SAFE(&peer->idle[loop_number(loop)], at, after) {
        struct peer_conn *peer_conn = container_of(at, struct peer_conn, link);

        if (peer_conn->identity != identity)
            continue;
        leave(peer_conn);
        if (is_fit(peer_conn))
            return peer_conn;
        conn_close(peer_conn->line.conn, LOSS_CLOSED);
    }
    return NULL;
}

/* ---- to the shelf ---- */

static void shelve(struct rest *mine, struct peer_conn *peer_conn)
{
    struct shelved shelved = { .served = peer_conn->served, .made_ms = peer_conn->made_ms,
                               .rested_ms = peer_conn->rested_ms,
                               .until_ms = peer_conn->until_ms };

    if (!is_fit(peer_conn) || peer_conn->line.conn->pending.len > 0) {
        drop(peer_conn);
        return;
    }
    unlink_rest(peer_conn);              /* it goes on resting: counted all the while */
    loop_unwatch(mine->loop, &peer_conn->line.conn->watch);
    shelved.fd = conn_detach(peer_conn->line.conn);
    room_conn_shelved();
    shelf_put(peer_conn->peer, &shelved);
    peer_unref(&peer_conn->peer);
    loop_bury(mine->loop, &peer_conn->corpse);
}

/* It stays where it is, and holds no more than it must. */
static void settle(struct rest *mine, struct peer_conn *peer_conn)
{
    list_remove(&peer_conn->loop_link);
    list_prepend(&mine->settled, &peer_conn->loop_link);
    conn_rest(peer_conn->line.conn);
}

static void rest_run(struct task *task, unsigned wakes)
{
    struct rest *mine = container_of(task, struct rest, task);
    int64_t      now_ms = loop_now_ms(mine->loop);

    (void)wakes;
    while (!list_is_empty(&mine->conns)) {
        struct peer_conn *oldest = container_of(mine->conns.prev, struct peer_conn, loop_link);

        if (now_ms - oldest->rested_ms < WARM_MS)
            break;
        if (oldest->is_bare)
            shelve(mine, oldest);
        else
            settle(mine, oldest);
    }
    shelf_sweep(now_ms);
    rest_again(mine);
}

/* ---- coming ---- */

static bool may_rest(const struct loop *loop, const struct upstream *upstream,
                     const struct peer_conn *peer_conn)
{
    return upstream->keepalive > 0 && !peer_conn->line.conn->is_closed && !peer_conn->is_dismissed &&
           peer_conn->line.codec->ops->is_idle(peer_conn->line.codec) &&
           peer_conn->served < upstream->keepalive_requests &&
           loop_now_ms(loop) - peer_conn->made_ms < upstream->keepalive_time_ms;
}

static void set_deadline(struct loop *loop, const struct upstream *upstream,
                         struct peer_conn *peer_conn)
{
    int64_t  now_ms = loop_now_ms(loop);
    uint32_t rest_ms = patience_ms(peer_conn->peer, upstream->keepalive_timeout_ms, now_ms);
    struct conn_timeouts timeouts = { .waits_ms = { [CONN_WAIT_IDLE] = rest_ms } };

    peer_conn->rested_ms = now_ms;
    peer_conn->until_ms = rest_ms > 0 ? now_ms + rest_ms : INT64_MAX;
    conn_set_timeouts(peer_conn->line.conn, &timeouts);
    task_wake(&peer_conn->line.conn->task, 0);   /* arms the new deadline */
}

/* One more rests than may: those on the shelf have rested longest. Half of all is for the shelf, so
 * that a loop that has too many feeds those that have too few; a lone loop feeds nobody. */
static void make_room(struct rest *mine, struct group *group, struct link *by_age, uint64_t most)
{
    struct peer_conn *oldest = container_of(by_age->prev, struct peer_conn, age_link);
    uint64_t          all = atomic_load_explicit(&group->resting, memory_order_relaxed);
    uint64_t          shelved = atomic_load_explicit(&group->shelved, memory_order_relaxed);
    uint64_t          most_warm = room_loops() > 1 ? most - most / SHELF_SHARE : most;

    if (all > most && shelf_close_oldest(group, 1) == 0)
        drop(oldest);
    else if (all > shelved + most_warm)
        shelve(mine, oldest);
}

static void rest_bare(struct rest *mine, const struct upstream *upstream,
                      struct peer_conn *peer_conn)
{
    struct group *group = peer_conn->peer->group;
    struct link  *by_age = group_idle(group, mine->loop);

    list_prepend(by_age, &peer_conn->age_link);
    atomic_fetch_add_explicit(&group->resting, 1, memory_order_relaxed);
    make_room(mine, group, by_age, (uint64_t)upstream->keepalive * room_loops());
}

static void rest_here(const struct upstream *upstream, struct peer_conn *peer_conn)
{
    struct staying *staying = &peer_conn->peer->group->staying[loop_number(peer_conn->loop)];

    list_prepend(&staying->by_age, &peer_conn->age_link);
    staying->count++;
    if (staying->count > upstream->keepalive)
        drop(container_of(staying->by_age.prev, struct peer_conn, age_link));
}

void idle_give(struct loop *loop, const struct upstream *upstream, struct peer_conn *peer_conn)
{
    struct rest *mine = rest_of(loop);

    if (!may_rest(loop, upstream, peer_conn)) {
        conn_close(peer_conn->line.conn, LOSS_CLOSED);
        return;
    }
    set_deadline(loop, upstream, peer_conn);
    list_prepend(&peer_conn->peer->idle[loop_number(loop)], &peer_conn->link);
    list_prepend(&mine->conns, &peer_conn->loop_link);
    if (peer_conn->is_bare)
        rest_bare(mine, upstream, peer_conn);
    else
        rest_here(upstream, peer_conn);
    if (!mine->is_timed)
        rest_again(mine);
}

static unsigned drop_oldest(struct link *conns, unsigned most)
{
    unsigned dropped = 0;

    for (; dropped < most && !list_is_empty(conns); dropped++)
        drop(container_of(conns->prev, struct peer_conn, loop_link));
    return dropped;
}

unsigned idle_close_oldest(struct loop *loop, unsigned most)
{
    struct rest *mine = rest_of(loop);
    unsigned     closed = shelf_close_oldest(NULL, most);

    closed += drop_oldest(&mine->settled, most - closed);
    return closed + drop_oldest(&mine->conns, most - closed);
}
