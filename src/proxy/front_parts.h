// SPDX-License-Identifier: MIT
/* What the front's two files know of each other: doors, and who comes in (front.c); clients, and how they
 * live (client.c). One loop. */
#ifndef PROXY_FRONT_PARTS_H
#define PROXY_FRONT_PARTS_H

#include "net/loop.h"
#include "net/timer.h"
#include "proxy/front.h"

struct client;

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

/* Owner: the loop; front_free(). */
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

/* The client is one of this door's, and of the front's, until it leaves. With its last one the door may go, and the
 * front's drain be over. */
void door_join(struct door *door, struct client *client);
void door_leave(struct door *door, struct client *client);
/* A client has given back its conn and codec. */
void front_note_parked(struct front *front);
/* May one more client rest? Under pressure it may not, or another one that rests is closed for it. */
bool front_may_keep(struct front *front);
/* Closes connections that rest, since there is no room, which `what` says to the log. False: there were none. */
bool front_make_room(struct front *front, const char *what);

#endif
