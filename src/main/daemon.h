// SPDX-License-Identifier: MIT
/* Into the background. The process that was started waits until the one in the background serves,
 * so that its exit status says whether the start worked. */
#ifndef MAIN_DAEMON_H
#define MAIN_DAEMON_H

#include "base/must.h"

/* Returns in the background process only; -errno when there is no second process to be had. The
 * other one exits when daemon_is_up() was called or when this one ends. */
int  daemon_begin(void) WARN_UNUSED;
/* Lets the waiting one go with status 0, and turns standard error to /dev/null. Harmless without
 * daemon_begin(), and the second time. */
void daemon_is_up(void);

#endif
