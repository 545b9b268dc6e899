// SPDX-License-Identifier: MIT
/* A small pool of threads for what blocks: names, disks. A job runs on some pool thread and its
 * letter is then opened on the loop that posted it. Jobs wait in order of arrival, without limit:
 * whoever posts bounds his own. Owner of a job: the poster until jobs_post(), again from the opening
 * of its letter on. */
#ifndef NET_JOBS_H
#define NET_JOBS_H

#include "net/mailbox.h"

enum { JOBS_STOP_MS = 300 };

struct job {
    struct letter letter;                /* opened on `loop` when run() has returned */
    struct loop  *loop;
    struct job   *next;
    void        (*run)(struct job *job); /* on a pool thread; must not touch loops */
};

/* Once, before the first post, from the control thread; threads are started lazily. */
void jobs_start(unsigned threads);
void jobs_post(struct job *job);         /* any loop thread */
/* Drops what waits and gives running jobs JOBS_STOP_MS to end; their letters never come. A job that
 * is stuck (a name server that does not answer) keeps its thread and its memory, and ends with the
 * process: whoever stops must not free what jobs write to. */
void jobs_stop(void);

#endif
