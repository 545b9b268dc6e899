// SPDX-License-Identifier: MIT
/* Doors, clients, and who gets in when descriptors are short. */
#include "proxy/front.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "balance/idle.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "http/h1_codec.h"
#include "http/h2_codec.h"
#include "net/lane.h"
#include "net/pressure.h"
#include "net/room.h"
#include "net/socket.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/nobody.h"
#include "proxy/opening.h"
#include "proxy/preface.h"

enum {
    ACCEPTS_MOST = 64,          /* per run of a door */
    REST_MOST = 4096,           /* who still waits when a door closes */
    CALM_RUNS = 32,             /* without a rush, before accepting ahead is tried again */
    PAUSE_MS = 100,             /* without accepting, when there are no descriptors */
    REPORT_EVERY_MS = 1000,     /* that they are short */
    PARK_MS = 500,              /* of rest after an answer, then conn and codec are given back */
    DRAIN_FRESH_MS = 1000,      /* for the first request, when we want to leave */
    TRIM_MS = 250,              /* after connections were parked, and their memory to the system */
    TRIM_FROM = 64,             /* parked connections */
    BODY_RATE = 256,            /* bytes per second of a request's body, at least */
    BODY_SLACK_MS = 30000,      /* how long it may stay behind that */
    CLOSE_IDLE_AT_ONCE = 16     /* idle connections that make room for new ones */
};

/* A listening socket on this loop. Pins the configuration that it serves. Owner: the front; dies
 * when it is closed and its last client is gone. */
struct door {
    struct link          link;
    struct front        *front;
    struct watch         watch;
    struct task          task;
    struct address       address;
    struct snapshot     *snapshot;
    const struct listen *listen;
    unsigned             clients;
    unsigned             burst, calm;    /* accepts per run; runs until burst may grow */
    bool                 is_watched, is_open;
    struct corpse        corpse;
};

struct front {
    struct loop     *loop;
    struct snapshot *snapshot;
    struct link      doors, clients;
    unsigned         client_count;
    bool             is_draining, is_paused;
    int64_t          none_idle_ms;      /* when nobody was found at rest; 0: not looked */
    int64_t          report_ms;         /* when it may be said again that there is no room */
    unsigned         closed_ahead;      /* for others that may rest instead */
    unsigned         parked;            /* since memory was last given back */
    struct task      task, trim_task;   /* the pause is over; it is time to give back */
    struct timer     timer, trim_timer;
    void           (*drained)(void *arg);
    void            *drained_arg;
};

static struct pool client_pool = POOL_OF_SLABS("client", struct client, 64);

static void                 door_run(struct task *task, unsigned wakes);
static bool                 accept_one(struct door *door, bool is_first);
static void                 client_close(struct client *client);
static struct codec        *codec_new(struct client *client, bool is_h2);
static struct conn_timeouts client_timeouts(struct client *client, const struct location *location);
static void front_run(struct task *task, unsigned wakes);
static void front_trim(struct task *task, unsigned wakes);
static void front_pause(struct front *front);

struct front *front_new(struct loop *loop, unsigned connections_most)
{
    struct front *front = mem_new(sizeof(*front));

    front->loop = loop;
    room_set_most(connections_most);
    pressure_begin(loop_number(loop));
    list_init(&front->doors);
    list_init(&front->clients);
    task_init(&front->task, front_run);
    timer_init(&front->timer, &front->task);
    task_init(&front->trim_task, front_trim);
    timer_init(&front->trim_timer, &front->trim_task);
    return front;
}

void front_free(struct front **front)
{
    struct front *dead = *front;

    *front = NULL;
    timer_remove(loop_timers(dead->loop), &dead->timer);
    timer_remove(loop_timers(dead->loop), &dead->trim_timer);
    task_cancel(&dead->task);
    task_cancel(&dead->trim_task);
    mem_free(dead);
}

unsigned front_connections(const struct front *front)
{
    return front->client_count;
}

/* ---- doors ---- */

static void door_release(struct corpse *corpse)
{
    struct door *door = container_of(corpse, struct door, corpse);

    task_cancel(&door->task);
    mem_free(door);
}

static void door_unwatch(struct door *door)
{
    if (door->is_watched)
        loop_unwatch(door->front->loop, &door->watch);
    door->is_watched = false;
}

/* After a pause, or when the system had no memory for a watch. */
static void retry_later(struct front *front)
{
    timer_set(loop_timers(front->loop), &front->timer, loop_now_ms(front->loop) + PAUSE_MS);
}

static void door_watch(struct door *door)
{
    if (!door->is_open || door->is_watched || door->watch.fd < 0)
        return;
    door->is_watched = loop_watch(door->front->loop, &door->watch, true) == 0;
    if (!door->is_watched)
        retry_later(door->front);
}

/* Its last client may have buried it before door_close() looks. */
static void door_bury_if_unused(struct door *door)
{
    if (door->is_open || door->clients > 0 || !list_is_linked(&door->link))
        return;
    unpin(door->front->loop, &door->snapshot->pinned);
    list_remove(&door->link);
    loop_bury(door->front->loop, &door->corpse);
}

static struct door *door_find(struct front *front, const struct address *address)
{
    LIST_EACH(&front->doors, at) {
        struct door *door = container_of(at, struct door, link);

        if (door->is_open && address_is_equal(&door->address, address))
            return door;
    }
    return NULL;
}

static struct door *door_new(struct front *front, const struct address *address)
{
    struct door *door = mem_new(sizeof(*door));

    door->front = front;
    door->address = *address;
    door->is_open = true;
    door->burst = 1;
    door->watch = (struct watch){ .fd = -1, .task = &door->task };
    task_init(&door->task, door_run);
    door->corpse.release = door_release;
    list_append(&front->doors, &door->link);
    return door;
}

/* Whoever waits at a socket that will be closed would be reset. */
static void door_let_in_rest(struct door *door)
{
    for (unsigned i = 0; i < REST_MOST && accept_one(door, true); i++)
        continue;
}

static void door_serve(struct door *door, struct snapshot *snapshot, const struct listen *listen,
                       int fd)
{
    struct loop *loop = door->front->loop;

    pin(loop, &snapshot->pinned);
    if (door->snapshot != NULL)
        unpin(loop, &door->snapshot->pinned);
    door->snapshot = snapshot;
    door->listen = listen;
    if (door->watch.fd != fd) {
        door_let_in_rest(door);
        door_unwatch(door);
    }
    door->watch.fd = fd;
    if (!door->front->is_paused && !door->front->is_draining)
        door_watch(door);
}

/* A connection that has asked nothing yet may have its request on the way: it gets a moment. */
static void client_drain(struct client *client)
{
    struct codec *codec = client_codec(client);

    if (codec != NULL)
        codec->ops->drain(codec);
    if (client->exchanges > 0 || (codec != NULL && codec->ops->count(codec) > 0))
        return;
    client->conn->timeouts.waits_ms[CONN_WAIT_HEAD] = DRAIN_FRESH_MS;
    conn_hasten(client->conn, loop_now_ms(client->door->front->loop) + DRAIN_FRESH_MS);
    task_wake(&client->conn->task, 0);
}

static void clients_drain(struct front *front, const struct door *door)
{
    LIST_EACH_SAFE(&front->clients, at, after) {
        struct client *client = container_of(at, struct client, link);

        if (door != NULL && client->door != door)
            continue;
        if (client->conn != NULL)
            client_drain(client);
        else
            client_close(client);
    }
}

/* A connection that carries many requests would outlive many configurations, with the handshake of the first. */
static void clients_renew(struct front *front)
{
    LIST_EACH_SAFE(&front->clients, at, after) {
        struct client *client = container_of(at, struct client, link);
        struct codec  *codec = client->conn == NULL ? NULL : client_codec(client);

        if (codec != NULL && codec->ops->is_multiplexed)
            codec->ops->drain(codec);
    }
}

static void door_close(struct door *door)
{
    door_let_in_rest(door);
    door_unwatch(door);
    door->is_open = false;
    clients_drain(door->front, door);
    door_bury_if_unused(door);
}

static bool is_listened(const struct site *site, const struct door *door)
{
    for (const struct listen *listen = site->listens; listen != NULL; listen = listen->next)
        if (address_is_equal(&listen->address, &door->address))
            return true;
    return false;
}

void front_adopt(struct front *front, struct snapshot *snapshot, const int *fds)
{
    unsigned i = 0;

    for (const struct listen *listen = snapshot->site->listens; listen != NULL;
         listen = listen->next, i++) {
        struct door *door = door_find(front, &listen->address);

        if (door == NULL)
            door = door_new(front, &listen->address);
        door_serve(door, snapshot, listen, fds[i]);
    }
    LIST_EACH_SAFE(&front->doors, at, after) {
        struct door *door = container_of(at, struct door, link);

        if (door->is_open && !is_listened(snapshot->site, door))
            door_close(door);
    }
    front->snapshot = snapshot;
    clients_renew(front);
}

/* ---- clients ---- */

static void client_release(struct corpse *corpse)
{
    struct client *client = container_of(corpse, struct client, corpse);

    task_cancel(&client->task);
    preface_drop(client);
    pool_give(&client_pool, client);
}

static bool is_parked(const struct client *client)
{
    return client->watch.fd >= 0;
}

static void client_bury_if_over(struct client *client)
{
    struct door  *door = client->door;
    struct front *front = door->front;

    if (client->conn != NULL || client->exchanges > 0 || is_parked(client))
        return;
    door->clients--;
    front->client_count--;
    list_remove(&client->link);
    timer_remove(loop_timers(front->loop), &client->timer);
    task_cancel(&client->task);   /* it may have spoken in the turn that closed it */
    if (client->secured_by != NULL)
        unpin(front->loop, &client->secured_by->pinned);
    client->corpse.release = client_release;
    loop_bury(front->loop, &client->corpse);
    door_bury_if_unused(door);
    if (front->is_draining && front->client_count == 0 && front->drained != NULL)
        front->drained(front->drained_arg);
}

/* ---- parking ---- */

/* A connection that rests keeps its descriptor, a deadline and its client; conn and codec, three
 * quarters of its memory, are made anew when it speaks again. */
static void client_park(struct client *client, int64_t until_ms)
{
    struct front *front = client->door->front;
    struct codec *codec = client_codec(client);

    client->requests = codec->ops->count(codec);
    client->watch.fd = conn_detach(client->conn);
    client->conn = NULL;
    timer_set(loop_timers(front->loop), &client->timer, until_ms);
    if (loop_rewatch(front->loop, &client->watch) < 0)
        client_close(client);
    if (++front->parked == TRIM_FROM)
        timer_set(loop_timers(front->loop), &front->trim_timer, loop_now_ms(front->loop) + TRIM_MS);
}

/* It has lasted as long as it may; of several streams none must be lost that is on its way. */
static void client_rest_over(struct client *client)
{
    struct codec *codec = client_codec(client);

    if (codec->ops->is_multiplexed)
        codec->ops->drain(codec);
    else
        conn_close(client->conn, LOSS_CLOSED);
}

/* Nothing has come for a while. What a handshake has made cannot be parked, and keeps the conn. */
static void client_rest(struct client *client)
{
    struct conn  *conn = client->conn;
    struct codec *codec = client_codec(client);
    struct loop  *loop = client->door->front->loop;
    int64_t       until_ms = conn->since_ms + client->keepalive_ms;

    if (client->exchanges > 0 || !codec->ops->is_idle(codec) || !conn_is_quiet(conn) ||
        conn->pending.len > 0) {
        conn->since_ms = loop_now_ms(loop);   /* it has news; the rest begins anew */
    } else if (until_ms <= loop_now_ms(loop)) {
        client_rest_over(client);
    } else if (conn->transport.ops->is_plain && !codec->ops->is_multiplexed) {
        client_park(client, until_ms);
    } else {
        conn_rest(conn);
        conn->timeouts.waits_ms[CONN_WAIT_IDLE] = client->keepalive_ms;
    }
}

static void front_trim(struct task *task, unsigned wakes)
{
    (void)wakes;
    container_of(task, struct front, trim_task)->parked = 0;
    mem_trim();
}

static void client_unpark(struct client *client)
{
    const struct location *level = &client->door->listen->servers[0]->level;
    struct loop           *loop = client->door->front->loop;
    struct codec          *codec;
    int                    fd = client->watch.fd;
    struct conn_timeouts   timeouts;

    timeouts = client_timeouts(client, level);
    client->watch.fd = -1;
    timer_stop(&client->timer);
    codec = codec_new(client, false);
    codec->ops->set_count(codec, client->requests);
    client->conn = conn_resume(loop, fd, &codec->protocol, &timeouts, &client->task);
    if (client->conn != NULL)
        codec->ops->attach(codec, client->conn);
    else
        client_bury_if_over(client);
}

/* Without a word, wherever it is. */
static void client_close(struct client *client)
{
    if (client->conn != NULL) {
        conn_close(client->conn, LOSS_CLOSED);
    } else if (is_parked(client)) {
        conn_close_detached(client->watch.fd);
        client->watch.fd = -1;
        client_bury_if_over(client);
    }
}

/* Of its open conn. */
static void client_hear(struct client *client, unsigned wakes)
{
    if (!opening_is(client->conn->protocol)) {
        if (wakes & WAKE_DEADLINE)
            client_rest(client);
    } else if (wakes & WAKE_WRITABLE) {
        opening_secured(client);
    }
}

static void client_run(struct task *task, unsigned wakes)
{
    struct client *client = container_of(task, struct client, task);

    if (wakes & WAKE_END) {
        client->conn = NULL;
        client_bury_if_over(client);
    } else if (!is_parked(client)) {
        if (client->conn != NULL && !client->conn->is_closed)
            client_hear(client, wakes);
    } else if (wakes & WAKE_READABLE) {
        client_unpark(client);
    } else if (wakes & WAKE_DEADLINE) {
        client_close(client);
    }
}

const struct client *client_of_task(const struct task *task)
{
    return task->run == client_run ? container_of(task, struct client, task) : NULL;
}

void client_exchange_over(struct client *client)
{
    client->exchanges--;
    client->unattended = NULL;
    client->door->front->none_idle_ms = 0;
    client_bury_if_over(client);
}

struct client *client_stand_in(const struct client *like, struct exchange *exchange)
{
    struct client *client = pool_take(&client_pool);
    struct door   *door = like->door;

    client->door = door;
    client->serial = like->serial;
    client->connected_ms = like->connected_ms;
    client->unattended = exchange;
    client->exchanges = 1;
    client->watch.fd = -1;
    if (like->secured_by != NULL)
        pin(door->front->loop, &like->secured_by->pinned);
    client->secured_by = like->secured_by;
    preface_copy(client, like);
    task_init(&client->task, client_run);
    timer_init(&client->timer, &client->task);
    list_append(&door->front->clients, &client->link);
    door->clients++;
    door->front->client_count++;
    return client;
}

bool client_is_draining(const struct client *client)
{
    return client->door->front->is_draining || !client->door->is_open;
}

static void client_accept(struct codec_host *host, struct stream *stream)
{
    struct client *client = container_of(host, struct client, host);
    struct door   *door = client->door;

    exchange_begin(client, stream, door->snapshot, door->listen, door->front->loop);
}

struct address client_remote(const struct client *client)
{
    return address_lengthen(client->has_preface ? &client->preface->sender : &client->remote);
}

const struct listen *client_listen(const struct client *client)
{
    return client->door->listen;
}

static struct head_limits limits_of(const struct server *server)
{
    return (struct head_limits){ .line_bytes = server->large_size,
                               .field_bytes = server->large_size,
                               .head_bytes = server->large_size * server->large_count,
                               .fields = server->max_headers };
}

static struct codec *codec_new(struct client *client, bool is_h2)
{
    const struct server *first = client->door->listen->servers[0];
    struct head_limits   limits = limits_of(first);

    return is_h2 ? h2_server_new(&limits, &first->h2, &client->host)
                 : h1_server_new(&limits, &client->host);
}

struct codec *client_codec(const struct client *client)
{
    return opening_is(client->conn->protocol) ? NULL : codec_of_protocol(client->conn->protocol);
}

void client_secures(struct client *client)
{
    struct door *door = client->door;

    client->secured_by = door->snapshot;
    pin(door->front->loop, &door->snapshot->pinned);
}

void client_speaks(struct client *client, bool is_h2)
{
    struct codec *codec = codec_new(client, is_h2);

    conn_become(client->conn, &codec->protocol);
    codec->ops->attach(codec, client->conn);
}

/* Unless it is said, no location that streams uploads has a least rate: what trickles there may be
 * meant to. */
static uint32_t body_rate(const struct location *location)
{
    if (location->body_rate != BODY_RATE_UNSAID)
        return location->body_rate;
    return location->proxy.is_request_buffering ? BODY_RATE : 0;
}

/* Whoever keeps within client_body_timeout is not blamed for one pause. */
static uint32_t body_slack_ms(const struct location *location)
{
    if (location->body_rate_after_ms > 0)
        return location->body_rate_after_ms;
    return location->body_timeout_ms > BODY_SLACK_MS ? location->body_timeout_ms : BODY_SLACK_MS;
}

static struct conn_timeouts client_timeouts(struct client *client, const struct location *location)
{
    uint32_t idle_ms = location->keepalive_timeout_ms;

    client->keepalive_ms = idle_ms;
    return (struct conn_timeouts){
        .waits_ms = { [CONN_WAIT_IDLE] = idle_ms > PARK_MS || idle_ms == 0 ? PARK_MS : idle_ms,
                      [CONN_WAIT_HEAD] = client->door->listen->servers[0]->head_timeout_ms,
                      [CONN_WAIT_BODY] = location->body_timeout_ms },
        .send_ms = location->send_timeout_ms,
        .body_rate = body_rate(location),
        .body_slack_ms = body_slack_ms(location),
        .linger_ms = location->lingering == LINGERING_OFF ? 0 : location->lingering_timeout_ms,
        .linger_most_ms = location->lingering_time_ms,
        .is_lingering_always = location->lingering == LINGERING_ALWAYS,
    };
}

void client_use(struct client *client, struct stream *stream, const struct location *location)
{
    struct conn_timeouts timeouts = client_timeouts(client, location);

    if (client->conn == NULL)
        return;
    stream->ops->use(stream, &timeouts);
    client->conn->timeouts.waits_ms[CONN_WAIT_IDLE] = timeouts.waits_ms[CONN_WAIT_IDLE];
    client->conn->is_reset_on_timeout = location->is_reset_on_timeout;
    if (client->conn->is_delaying == location->has_nodelay) {
        client->conn->is_delaying = !location->has_nodelay;
        socket_set_nodelay(client->conn->transport.fd, location->has_nodelay);
    }
}

static void client_new(struct door *door, int fd, const struct address *remote)
{
    struct front        *front = door->front;
    struct client       *client = pool_take(&client_pool);
    struct conn_timeouts timeouts;
    struct codec        *codec = NULL;
    struct protocol     *protocol;

    client->door = door;
    client->host = (struct codec_host){ .accept = client_accept, .resting = &client->task };
    client->watch = (struct watch){ .fd = -1, .task = &client->task };
    task_init(&client->task, client_run);
    timer_init(&client->timer, &client->task);
    list_init(&client->link);
    client->remote = address_shorten(remote);
    client->connected_ms = loop_now_ms(front->loop);
    timeouts = client_timeouts(client, &door->listen->servers[0]->level);
    if (opening_is_due(door->listen)) {
        protocol = opening_new(client);
    } else {
        codec = codec_new(client, false);
        protocol = &codec->protocol;
    }
    client->conn = conn_new(front->loop, fd, protocol, &timeouts, &client->task);
    if (client->conn == NULL) {
        pool_give(&client_pool, client);
        return;
    }
    client->serial = client->conn->serial;
    if (codec != NULL)
        codec->ops->attach(codec, client->conn);
    list_append(&front->clients, &client->link);
    door->clients++;
    front->client_count++;
}

/* ---- letting in ---- */

static bool is_at_rest(const struct client *client)
{
    const struct codec *codec;

    if (is_parked(client))
        return true;
    if (client->conn == NULL || client->exchanges > 0)
        return false;
    codec = client_codec(client);
    return codec != NULL && codec->ops->is_idle(codec) && codec->ops->count(codec) > 0;
}

/* Oldest first. Those who wait between two requests lose nothing but a handshake. A crowd in which
 * nobody was at rest is not searched again before a request ends or a millisecond has passed. */
static unsigned close_idle(struct front *front, unsigned most)
{
    unsigned closed = 0;

    if (front->none_idle_ms == loop_now_ms(front->loop))
        return 0;
    LIST_EACH_SAFE(&front->clients, at, after) {
        struct client *client = container_of(at, struct client, link);

        if (closed == most)
            break;
        if (!is_at_rest(client))
            continue;
        client_close(client);
        closed++;
    }
    if (closed == 0)
        front->none_idle_ms = loop_now_ms(front->loop);
    return closed;
}

void front_close_idle(struct front *front)
{
    (void)close_idle(front, UINT_MAX);
    (void)idle_close_oldest(front->loop, UINT_MAX);
}

/* They are looked for in numbers, since those who are busy stand before them. */
static bool may_rest_for_another(struct front *front)
{
    if (front->closed_ahead == 0) {
        front->closed_ahead = close_idle(front, CLOSE_IDLE_AT_ONCE);
        pressure_note_closed(front->closed_ahead);
    }
    if (front->closed_ahead == 0)
        return false;
    front->closed_ahead--;
    return true;
}

bool client_may_rest(struct client *client)
{
    struct front      *front = client->door->front;
    enum pressure_keep keep = pressure_keep();

    if (keep == PRESSURE_KEEP || (keep == PRESSURE_KEEP_FOR_ANOTHER && may_rest_for_another(front)))
        return true;
    pressure_note_closed(1);
    return false;
}

static void report_full(struct front *front, const char *what)
{
    int64_t now_ms = loop_now_ms(front->loop);

    if (now_ms < front->report_ms)
        return;
    log_at(LOG_WARN, NULL, "%s: idle connections are closed and accepting may pause", what);
    front->report_ms = now_ms + REPORT_EVERY_MS;
}

static bool make_room(struct front *front, const char *what)
{
    report_full(front, what);
    lanes_drain();
    return close_idle(front, CLOSE_IDLE_AT_ONCE) > 0 ||
           idle_close_oldest(front->loop, CLOSE_IDLE_AT_ONCE) > 0;
}

bool client_make_room(struct client *client)
{
    struct front *front = client->door->front;

    return make_room(front, "no room for a connection to an upstream");
}

static void no_descriptors(struct front *front, int error)
{
    struct log_errno text = log_errno(-error);

    if (loop_now_ms(front->loop) >= front->report_ms)
        log_at(LOG_CRIT, NULL, "accept4() failed %s", text.text);
    (void)make_room(front, "descriptors are used up");
    front_pause(front);
}

/* Who waits in the backlog costs us nothing. Others go only for the first of a run: behind it perhaps
 * nobody waits for whom they should. */
static bool has_room(struct front *front, bool is_first)
{
    enum room room = room_for_client();

    if (!pressure_may_accept()) {
        front_pause(front);
        return false;
    }
    if (room == ROOM_PLENTY)
        return true;
    if (!is_first)
        return false;
    if (make_room(front, room == ROOM_FEW_CONNS ? "worker_connections are not enough"
                                                : "descriptors are nearly used up"))
        return true;
    front_pause(front);
    return false;
}

/* False: nobody waits any more, or nobody may come in. */
static bool accept_one(struct door *door, bool is_first)
{
    struct front  *front = door->front;
    struct address remote;
    int            fd, r;

    if (!door->is_watched || !has_room(front, is_first))
        return false;
    r = socket_accept(door->watch.fd, &fd, &remote);
    if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM)
        no_descriptors(front, r);
    if (r == 0)
        client_new(door, fd, &remote);
    return r == 0 || r == -ECONNABORTED;
}

/* As many as usually come at once: looking for one more costs a system call that mostly finds
 * nobody. The poller tells again of those that are left. */
static void door_run(struct task *task, unsigned wakes)
{
    struct door *door = container_of(task, struct door, task);
    unsigned     accepted = 0;

    (void)wakes;
    while (accepted < door->burst && accept_one(door, accepted == 0))
        accepted++;
    if (accepted < door->burst) {
        door->burst = accepted > 0 ? accepted : 1;
        door->calm = CALM_RUNS;
    } else if (door->calm > 0) {
        door->calm--;
    } else if (door->burst < ACCEPTS_MOST) {
        door->burst *= 2;
    }
}

static void front_pause(struct front *front)
{
    front->is_paused = true;
    LIST_EACH(&front->doors, at)
        door_unwatch(container_of(at, struct door, link));
    retry_later(front);
}

static void front_run(struct task *task, unsigned wakes)
{
    struct front *front = container_of(task, struct front, task);

    (void)wakes;
    front->is_paused = false;
    if (front->is_draining)
        return;
    LIST_EACH(&front->doors, at)
        door_watch(container_of(at, struct door, link));
}

/* ---- leaving ---- */

void front_drain(struct front *front, void (*done)(void *arg), void *arg)
{
    LIST_EACH(&front->doors, at)
        door_let_in_rest(container_of(at, struct door, link));
    front->is_draining = true;
    LIST_EACH(&front->doors, at)
        door_unwatch(container_of(at, struct door, link));
    clients_drain(front, NULL);
    front->drained = done;   /* only now: the last one may just have gone */
    front->drained_arg = arg;
    if (front->client_count == 0)
        done(arg);
}

void front_close_all(struct front *front)
{
    LIST_EACH_SAFE(&front->clients, at, after) {
        struct client *client = container_of(at, struct client, link);

        if (client->conn != NULL)
            conn_close(client->conn, LOSS_SHUTDOWN);
        else if (is_parked(client))
            client_close(client);
        else if (client->unattended != NULL)
            nobody_leaves(client->unattended);
    }
}
