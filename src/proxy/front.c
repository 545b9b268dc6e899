// SPDX-License-Identifier: MIT
/* Doors, and who gets in when descriptors are short. */
#include "proxy/front.h"

#include <errno.h>
#include <limits.h>

#include "balance/idle.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/lane.h"
#include "net/pressure.h"
#include "net/room.h"
#include "net/socket.h"
#include "net/tally.h"
#include "proxy/client.h"
#include "proxy/front_parts.h"

enum {
    ACCEPTS_MOST = 64,          /* per run of a door */
    REST_MOST = 4096,           /* who still waits when a door closes */
    CALM_RUNS = 32,             /* without a rush, before accepting ahead is tried again */
    PAUSE_MS = 100,             /* without accepting, when there are no descriptors */
    REPORT_EVERY_MS = 1000,     /* that they are short */
    TRIM_MS = 250,              /* after connections were parked, and their memory to the system */
    TRIM_FROM = 64,             /* parked connections */
    CLOSE_IDLE_AT_ONCE = 16     /* idle connections that make room for new ones */
};

static void door_run(struct task *task, unsigned wakes);
static bool accept_one(struct door *door, bool is_first);
static void front_run(struct task *task, unsigned wakes);
static void front_trim(struct task *task, unsigned wakes);
static void front_pause(struct front *front);

struct front *front_new(struct loop *loop, unsigned connections_most)
{
    struct front *front = mem_new(sizeof(*front));

    front->loop = loop;
    room_set_most(connections_most);
    pressure_begin(loop_number(loop));
    tally_begin(loop_number(loop));
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

void door_join(struct door *door, struct client *client)
{
    list_append(&door->front->clients, &client->link);
    door->clients++;
    door->front->client_count++;
}

void door_leave(struct door *door, struct client *client)
{
    struct front *front = door->front;

    list_remove(&client->link);
    door->clients--;
    front->client_count--;
    door_bury_if_unused(door);
    if (front->is_draining && front->client_count == 0 && front->drained != NULL)
        front->drained(front->drained_arg);
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

static void clients_drain(struct front *front, const struct door *door)
{
    LIST_EACH_SAFE(&front->clients, at, after) {
        struct client *client = container_of(at, struct client, link);

        if (door == NULL || client->door == door)
            client_drain(client);
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
    LIST_EACH_SAFE(&front->clients, at, after)
        client_renew(container_of(at, struct client, link));
}

/* ---- letting in ---- */

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
        if (!client_is_at_rest(client))
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

bool front_may_keep(struct front *front)
{
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

bool front_make_room(struct front *front, const char *what)
{
    report_full(front, what);
    lanes_drain();
    return close_idle(front, CLOSE_IDLE_AT_ONCE) > 0 ||
           idle_close_oldest(front->loop, CLOSE_IDLE_AT_ONCE) > 0;
}

static void no_descriptors(struct front *front, int error)
{
    struct log_errno text = log_errno(-error);

    if (loop_now_ms(front->loop) >= front->report_ms)
        log_at(LOG_CRIT, NULL, "accept4() failed %s", text.text);
    (void)front_make_room(front, "descriptors are used up");
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
    if (front_make_room(front, room == ROOM_FEW_CONNS ? "worker_connections are not enough"
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
    if (r == 0) {
        tally_add(TALLY_ACCEPTED);
        client_new(door, fd, &remote);
    }
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

void front_note_parked(struct front *front)
{
    if (++front->parked == TRIM_FROM)
        timer_set(loop_timers(front->loop), &front->trim_timer, loop_now_ms(front->loop) + TRIM_MS);
}

static void front_trim(struct task *task, unsigned wakes)
{
    (void)wakes;
    container_of(task, struct front, trim_task)->parked = 0;
    mem_trim();
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
    LIST_EACH_SAFE(&front->clients, at, after)
        client_cut(container_of(at, struct client, link));
}
