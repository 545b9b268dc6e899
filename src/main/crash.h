// SPDX-License-Identifier: MIT
/* A worker that crashes says in the error log what it was about: the signal, the loop, the
 * connection's number and the request whose step was running. Then the signal does what it would
 * have done without us, so that the supervisor sees it and a core file can be made.
 *
 * On SIGABRT from outside (the watchdog's) every loop says what it is busy with. */
#ifndef MAIN_CRASH_H
#define MAIN_CRASH_H

#include "net/loop.h"

/* The worker, once, before it has threads. */
void crash_watch(void);
/* The loops that there are; they live until the exit. Before the first of them runs. */
void crash_know_loops(struct loop *const *loops, unsigned count);
/* Each thread that may overflow its stack: gives it another one to say so from. */
void crash_stack_take(void);
/* The time zone's offset may have changed: looked up here, since the handler must not. */
void crash_clock_set(void);

#endif
