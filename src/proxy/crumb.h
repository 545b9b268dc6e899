// SPDX-License-Identifier: MIT
/* What a loop was about when the process crashed: the request behind a task, in words.
 *
 * For the crash line alone (main/crash.c): called from a signal handler, on a thread that may be in
 * the middle of anything, so it takes no lock, allocates nothing and changes nothing. What it reads
 * may be half written; whoever calls it survives a second fault. */
#ifndef PROXY_CRUMB_H
#define PROXY_CRUMB_H

#include <stdint.h>

#include "base/writer.h"
#include "net/task.h"

/* The client connection's number in the log ("*7"); 0: the task serves no client. */
uint64_t crumb_connection(const struct task *task);
/* `in step "connect", client: 127.0.0.1, server: a.example, request: "GET / HTTP/1.1", ...`, or
 * what else the task is for. `task` may be NULL. The writer is fixed. */
void crumb_write(struct writer *writer, const struct task *task);

#endif
