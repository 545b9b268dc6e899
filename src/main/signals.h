// SPDX-License-Identifier: MIT
/* Signals as something to read: blocked in every thread and taken from a signalfd by the one loop
 * that acts on them, so no code ever runs in a signal handler. */
#ifndef MAIN_SIGNALS_H
#define MAIN_SIGNALS_H

#include <signal.h>
#include <sys/types.h>

#include "base/must.h"

struct signal_news {
    int   number;
    pid_t sender;                        /* 0: the kernel */
};

/* Before any other thread exists. SIGPIPE is ignored. Returns the descriptor. */
int  signals_open(int *ret_fd) WARN_UNUSED;
/* -EAGAIN: no more. Lower numbers come first, so INT and TERM are seen before a CHLD. */
int  signals_read(int fd, struct signal_news *ret_news) WARN_UNUSED;
/* For a child that is about to exec: as if we had never been here. */
void signals_restore(void);

/* "SIGHUP" */
const char *signal_name(int number);

#endif
