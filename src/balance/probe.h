// SPDX-License-Identifier: MIT
/* Active checks at work: for each server of a group and each of its `health_check`s a probe, a task
 * on the control loop, once in the process and not once per loop.
 *
 * Owner: the group. A probe has one request in flight at most, on a connection of its own, within a
 * deadline; what it finds is noted in the peer. Control thread. */
#ifndef BALANCE_PROBE_H
#define BALANCE_PROBE_H

#include "balance/check.h"
#include "balance/group_parts.h"

/* These checks are the group's from now on, and `control` is where they run. What was found by checks
 * that stay is kept, but for mandatory ones that are not persistent. probes_arrange() follows. */
void probes_configure(struct group *group, const struct upstream *upstream);
/* In line with the group's peers. */
void probes_arrange(struct group *group);
/* The configuration whose checks they are is gone, or the group itself. */
void probes_drop(struct group *group);

#endif
