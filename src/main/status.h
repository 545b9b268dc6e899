// SPDX-License-Identifier: MIT
/* `frontdesk status`: what the worker counts, gathered at one moment without stopping a loop. Control
 * thread. */
#ifndef MAIN_STATUS_H
#define MAIN_STATUS_H

#include "main/control_commands.h"
#include "main/facts.h"

/* The one place that knows what there is to tell; docs/control.md lists it. Whatever prints it in
 * another form begins here. In the arena. */
struct fact *status_gather(const struct serving *serving, struct arena *arena);

void status_run(struct control_request *request);

#endif
