// SPDX-License-Identifier: MIT
/* Into the background. The process that was started waits until the one in the background serves,
 * so that its exit status says whether the start worked. */
#ifndef MAIN_DAEMON_H
#define MAIN_DAEMON_H

#include "base/must.h"

/* Returns in the background process only; -errno when there is no second process to be had. The
 * other one exits when daemon_is_up() was called or when this one ends. */
int  daemon_begin(void) WARN_UNUSED;
/* Lets the waiting one go with status 0, and lets go of standard error. Harmless without
 * daemon_begin(), and the second time. */
void daemon_is_up(void);
/* Turns standard error to /dev/null: whoever started us may wait for the end of what we hold open.
 * A log that goes to standard error has a descriptor of its own. */
void daemon_let_go_stderr(void);

#endif
