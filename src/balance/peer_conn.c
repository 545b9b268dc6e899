// SPDX-License-Identifier: MIT
/* A line that exchanges use: who does, and its end. */
#include "balance/peer_conn.h"

#include <errno.h>

#include "balance/idle.h"
#include "balance/shelf.h"
#include "base/pool.h"
#include "net/room.h"

/* Of HTTP/2 towards peers. A stream's window is what a slow client may make us hold. */
static const struct h2_settings settings = {
    .max_streams = 128,
    .window = 256 * 1024,
    .chunk_size = 16 * 1024,
    .recv_buffer_size = 1024 * 1024,
};

static struct pool pool = POOL("peer_conn", struct peer_conn, 256);

static void peer_conn_run(struct task *task, unsigned wakes);

static void peer_conn_release(struct corpse *corpse)
{
    struct peer_conn *peer_conn = container_of(corpse, struct peer_conn, corpse);

    task_cancel(&peer_conn->task);
    line_done(&peer_conn->line);
    pool_give(&pool, peer_conn);
}

static struct connector *user_of(struct link *link)
{
    return container_of(link, struct connector, link);
}

/* ---- coming to stand ---- */

static void opened(struct peer_conn *peer_conn, bool is_http2_wanted)
{
    bool is_shared = peer_conn->line.codec->ops->is_multiplexed;

    if (!is_shared)
        list_remove(&peer_conn->link);
    if (is_http2_wanted)
        peer_note_protocol(peer_conn->peer, peer_conn->identity, is_shared);
    peer_conn->is_settled = !is_shared;
    peer_conn->is_shared = is_shared;
    peer_conn->is_bare = !is_shared && peer_conn->line.conn->transport.ops->is_plain;
}

static void go_on(struct peer_conn *peer_conn)
{
    const struct line_ask *ask = &user_of(peer_conn->users.next)->ask.line;

    line_go_on(&peer_conn->line, ask, peer_conn->peer);
    if (peer_conn->line.is_open)
        opened(peer_conn, ask->is_http2);
}

static void users_wake(struct peer_conn *peer_conn)
{
    LIST_EACH(&peer_conn->users, at)
        if (user_of(at)->state == CONNECTOR_WAITING)
            task_wake(user_of(at)->waiter, WAKE_LETTER);
}

static void ended(struct peer_conn *peer_conn)
{
    const struct line *line = &peer_conn->line;

    LIST_EACH_SAFE(&peer_conn->users, at, after) {
        struct connector *user = user_of(at);

        list_remove(at);
        user->peer_conn = NULL;
        if (user->state == CONNECTOR_WAITING) {
            user->state = CONNECTOR_FAILED;
            user->fault = line_fault(line);
            user->error = line->error;
            if (line->words != NULL)
                user->words = arena_copy(user->ask.arena, text_from(line->words));
            task_wake(user->waiter, WAKE_LETTER);
        }
    }
    idle_ended(peer_conn->loop, peer_conn);
    list_remove(&peer_conn->link);
    peer_unref(&peer_conn->peer);
    loop_bury(peer_conn->loop, &peer_conn->corpse);
}

static void peer_conn_run(struct task *task, unsigned wakes)
{
    struct peer_conn *peer_conn = container_of(task, struct peer_conn, task);

    if (wakes & WAKE_END) {
        ended(peer_conn);
        return;
    }
    if (!peer_conn->line.is_open && !list_is_empty(&peer_conn->users))
        go_on(peer_conn);
    else if (wakes & WAKE_ROOM)
        peer_conn->is_settled = true;
    if (peer_conn->line.is_open)
        users_wake(peer_conn);
}

/* ---- made ---- */

static struct peer_conn *peer_conn_new(struct loop *loop, struct peer *peer, uint64_t identity)
{
    struct peer_conn *peer_conn = pool_take(&pool);

    peer_conn->loop = loop;
    peer_conn->peer = peer_ref(peer);
    peer_conn->identity = identity;
    peer_conn->made_ms = loop_now_ms(loop);
    peer_conn->line.settings = &settings;
    list_init(&peer_conn->users);
    list_init(&peer_conn->link);
    list_init(&peer_conn->age_link);
    list_init(&peer_conn->loop_link);
    task_init(&peer_conn->task, peer_conn_run);
    peer_conn->corpse.release = peer_conn_release;
    return peer_conn;
}

/* Of which there is no conn. */
static void bury_unborn(struct peer_conn *peer_conn)
{
    peer_unref(&peer_conn->peer);
    loop_bury(peer_conn->loop, &peer_conn->corpse);
}

int peer_conn_open(struct connector *connector, uint64_t identity)
{
    const struct connector_ask *ask = &connector->ask;
    struct peer_conn           *peer_conn;
    int                         r;

    if (!room_for_upstream())
        return -EUSERS;
    peer_conn = peer_conn_new(connector->loop, ask->peer, identity);
    r = line_open(&peer_conn->line, &ask->peer->address, &ask->line, connector->loop,
                  &peer_conn->task);
    if (r < 0)
        bury_unborn(peer_conn);
    else
        peer_conn_join(peer_conn, connector);
    return r;
}

struct peer_conn *peer_conn_revive(const struct connector_ask *ask, struct loop *loop,
                                   const struct shelved *shelved)
{
    struct peer_conn *peer_conn = peer_conn_new(loop, ask->peer, 0);
    struct line      *line = &peer_conn->line;

    if (line_adopt(line, shelved->fd, &ask->line.timeouts, loop, &peer_conn->task) < 0) {
        bury_unborn(peer_conn);
        return NULL;
    }
    peer_conn->made_ms = shelved->made_ms;
    peer_conn->served = shelved->served;
    peer_conn->is_settled = peer_conn->is_bare = true;
    line->codec->ops->set_count(line->codec, shelved->served);
    return peer_conn;
}

/* ---- users ---- */

void peer_conn_join(struct peer_conn *peer_conn, struct connector *connector)
{
    const struct line_ask *ask = &connector->ask.line;

    connector->peer_conn = peer_conn;
    list_append(&peer_conn->users, &connector->link);
    peer_conn->user_count++;
    if (ask->is_http2 && ask->introduction.len == 0 && !list_is_linked(&peer_conn->link) &&
        (!peer_conn->line.is_open || peer_conn->is_shared))
        list_append(&peer_conn->peer->shared[loop_number(peer_conn->loop)], &peer_conn->link);
}

void peer_conn_leave(struct peer_conn *peer_conn, struct connector *connector)
{
    if (connector->state == CONNECTOR_READY && !connector->has_stream)
        peer_conn->promised--;
    connector->peer_conn = NULL;
    list_remove(&connector->link);
    peer_conn->user_count--;
    if (list_is_empty(&peer_conn->users))
        list_remove(&peer_conn->link);
}

void peer_conn_dismiss(struct peer_conn *peer_conn)
{
    peer_conn->is_dismissed = true;
    list_remove(&peer_conn->link);
}

unsigned peer_conn_room(const struct peer_conn *peer_conn)
{
    const struct line *line = &peer_conn->line;
    unsigned           room;

    if (!line->is_open || line->conn->is_closed)
        return 0;
    room = line->codec->ops->room(line->codec);
    return room > peer_conn->promised ? room - peer_conn->promised : 0;
}
