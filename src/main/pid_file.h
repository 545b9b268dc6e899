// SPDX-License-Identifier: MIT
/* The pid file: written when the sockets listen, renamed while a new binary takes over, removed at
 * the end by the process whose pid it holds. */
#ifndef MAIN_PID_FILE_H
#define MAIN_PID_FILE_H

#include <sys/types.h>

#include "base/must.h"
#include "base/text.h"

enum { PID_PATH_BYTES = 4096 };

/* "PID\n" under a name of its own first, so that nobody reads half a number. */
int  pid_file_write(struct text path, pid_t pid) WARN_UNUSED;
/* -EINVAL: no number in it. */
int  pid_file_read(struct text path, pid_t *ret_pid) WARN_UNUSED;
/* PATH and PATH.oldbin, where they still hold our pid. */
void pid_file_remove(struct text path, pid_t pid);

/* PATH to PATH.oldbin, and back. */
int pid_file_set_aside(struct text path) WARN_UNUSED;
int pid_file_bring_back(struct text path) WARN_UNUSED;

#endif
