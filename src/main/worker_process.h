// SPDX-License-Identifier: MIT
/* The first steps of a forked worker: it lets go of what the supervisor holds, takes its limits and
 * its user, and only then looks at the network. */
#ifndef MAIN_WORKER_PROCESS_H
#define MAIN_WORKER_PROCESS_H

#include "main/generation.h"

/* In the child of fork(); never returns. */
_Noreturn void worker_process_run(const struct generation *generation, int channel);

#endif
