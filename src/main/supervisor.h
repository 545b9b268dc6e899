// SPDX-License-Identifier: MIT
/* The supervisor: the process that was started. It opens everything, hands it to the worker,
 * watches the worker and acts on signals. It never reads a byte from the network. One thread. */
#ifndef MAIN_SUPERVISOR_H
#define MAIN_SUPERVISOR_H

#include "main/options.h"
#include "main/report.h"

/* Returns the exit status. */
int supervisor_run(const struct options *options, const struct report *report);

#endif
