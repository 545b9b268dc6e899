// SPDX-License-Identifier: MIT
/* The front: where connections of clients come in, one per loop.
 *
 * Doors are listening sockets; a door outlives reloads as long as its address stays, and so do the
 * connections that came through it. Each connection asks its door for the configuration when a new
 * request begins, so an idle one pins nothing. One loop. */
#ifndef PROXY_FRONT_H
#define PROXY_FRONT_H

#include "proxy/snapshot.h"

struct front;

/* `connections_most`: worker_connections, clients and upstreams together. */
struct front *front_new(struct loop *loop, unsigned connections_most);
void          front_free(struct front **front);

/* Serve this snapshot from now on. fds[i] listens for the i-th listen of site->listens on this loop
 * (-1: not on this loop); the front does not own them. Doors that are not in it are closed: no more
 * accepts, their idle connections end, busy ones after their answer. */
void front_adopt(struct front *front, struct snapshot *snapshot, const int *fds);

/* Closes connections between two requests, clients' and upstreams': memory is short. */
void front_close_idle(struct front *front);

/* Stops accepting, closes idle connections, lets exchanges finish; done(arg) is called on the loop
 * when the last connection is gone. */
void front_drain(struct front *front, void (*done)(void *arg), void *arg);
/* The drain's deadline has passed: cuts everything. */
void front_close_all(struct front *front);
unsigned front_connections(const struct front *front);

#endif
