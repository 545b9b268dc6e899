// SPDX-License-Identifier: MIT
/* A worker as the supervisor sees it: a process, a channel, and whether it still answers.
 *
 * With master_process off it is a thread of this process instead: nothing can be killed then, and
 * nothing is restarted. Owner: the supervisor; one thread. */
#ifndef MAIN_CHILD_H
#define MAIN_CHILD_H

#include <pthread.h>

#include "main/channel.h"
#include "main/generation.h"
#include "main/ticket_keys.h"

struct child {
    struct child *next;
    pid_t         pid;                   /* 0: a thread */
    pthread_t     thread;
    int           channel;               /* -1: the other end is gone */
    bool          is_ready;              /* serves */
    bool          is_leaving;            /* was told to drain or stop */
    bool          is_stopping;           /* was told to stop */
    bool          has_ended;
    int           thread_status;
    uint32_t      asked;                 /* number of the generation sent last */
    int64_t       pinged_ms;
    unsigned      unanswered;            /* pings since the last pong */
    int64_t       kill_ms;               /* when it is killed; 0: not yet decided */
};

enum { CHILD_PING_MS = 2000, CHILD_PINGS_MOST = 5, CHILD_ABORT_MS = 2000,
       CHILD_STOP_MS = 5000 };

/* NULL after reporting, when there is no process or no channel to be had. `tickets` may be NULL. */
struct child *child_start(const struct generation *generation, const struct ticket_keys *tickets,
                          bool has_own_process);
void          child_free(struct child **child);

/* False: it does not listen. The caller waits for its end. */
bool child_send(struct child *child, const struct message *message);
/* -EPIPE: it has gone. */
int  child_send_generation(struct child *child, const struct generation *generation);
void child_send_tickets(struct child *child, const struct ticket_keys *tickets);
void child_drain(struct child *child, uint32_t timeout_ms);
void child_stop(struct child *child, int64_t now_ms);

/* Pings when it is time, ends what does not answer or does not leave. Returns when to
 * look again. */
int64_t child_watch(struct child *child, int64_t now_ms);

/* "worker process 12 exited on signal 9", at the level that its cause deserves. True: it left as it
 * should. */
bool child_report_end(const struct child *child, int status);

#endif
