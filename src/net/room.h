// SPDX-License-Identifier: MIT
/* Room for connections: `worker_connections` of a loop, and the descriptors of the process.
 *
 * Every conn counts, whoever is at its other end; so do kernel pipes (net/lane.h). Some descriptors
 * stay in reserve for what must never wait: connections to upstreams, logs, the channel, names. The
 * counts cost an addition when a descriptor comes or goes and no system call. Counts of a loop
 * belong to its thread; the process's is atomic. */
#ifndef NET_ROOM_H
#define NET_ROOM_H

#include <stdbool.h>
#include <stdint.h>

enum { ROOM_RESERVE = 64 };              /* descriptors; a quarter of them all if they are few */

/* `most` is 0 where there is no limit. */
struct room_use {
    uint64_t used, most;
};

/* Before the loops run: looks up how many descriptors there may be. */
void room_begin(unsigned loop_count);
unsigned room_loops(void);
/* How many conns the calling thread's loop may have. */
void room_set_most(unsigned conns);

void room_conn_opened(void);
void room_conn_closed(void);
/* Its descriptor stays open and is no loop's any more; that one is closed, or becomes a conn again. */
void room_conn_shelved(void);
void room_shelved_gone(void);
void room_lane_opened(void);
void room_lane_closed(void);

/* For one more client. When a tenth of a loop's connections is left, or only the reserve, it must
 * be made by closing others. */
enum room { ROOM_PLENTY = 0, ROOM_FEW_CONNS, ROOM_FEW_DESCRIPTORS };
enum room room_for_client(void);
/* For one more connection to an upstream, within the loop's connections: may use them up, and the
 * reserve. */
bool room_for_upstream(void);
bool room_for_lane(void);

/* Of the calling loop; and of the process, without the reserve. */
struct room_use room_conns(void);
struct room_use room_descriptors(void);

#endif
