// SPDX-License-Identifier: MIT
/* The worker: serves what the supervisor sends. Its control thread compiles bundles, starts the
 * loops, publishes snapshots to them, and answers the supervisor; it serves no connection itself.
 *
 * Runs in a process of its own, or with master_process off on a thread of the only process. */
#ifndef MAIN_WORKER_H
#define MAIN_WORKER_H

#include <stdbool.h>

/* Takes the channel. `signal_fd` -1: signals are somebody else's. Returns the exit status. */
int worker_run(int channel, int signal_fd);

#endif
