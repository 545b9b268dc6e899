// SPDX-License-Identifier: MIT
/* The worker's event loops, a thread each, and rounds: something done on every loop, and then
 * something on the control loop. All that the control thread wants of the loops is a round.
 *
 * Owner: the worker. Created, joined and freed on the control thread. */
#ifndef MAIN_RUNNERS_H
#define MAIN_RUNNERS_H

#include <pthread.h>

#include "net/loop.h"
#include "proxy/front.h"

struct runners;

struct runner {
    struct runners *runners;
    struct loop    *loop;
    struct front   *front;               /* made on the loop's thread; stays until the exit */
    pthread_t       thread;
    bool            is_started;
    bool            is_drained;          /* said so */
    struct letter   drained;             /* to the control loop */
    uint64_t        turns;               /* at the last ping; control thread */
};

struct runners {
    struct loop  *control;
    unsigned      count;
    unsigned      connections_most;      /* per loop */
    unsigned      draining;              /* loops that still have connections */
    void        (*drained)(struct runners *runners);   /* none has any more; control thread */
    struct loop  *loops[LOOPS_MOST];
    struct runner each[LOOPS_MOST];
};

/* Memory belongs to whoever starts it; free in done() at the earliest. */
struct round {
    unsigned left;
    void   (*act)(struct runner *runner, struct round *round);       /* on each loop; may be NULL */
    void   (*done)(struct runners *runners, struct round *round);    /* on the control loop */
    struct round_step {
        struct letter  letter;
        struct round  *round;
        struct runner *runner;
        bool           is_back;          /* has been to its loop */
    } steps[LOOPS_MOST];
};

/* Starts the threads. -errno of pthread_create(). */
int  runners_start(struct runners *runners, struct loop *control, unsigned count,
                   unsigned connections_most) WARN_UNUSED;
void round_start(struct runners *runners, struct round *round);

/* Control thread. Draining: no more accepts, drained() when the last connection is gone. */
void runners_drain(struct runners *runners, void (*stopped_accepting)(struct runners *runners));
void runners_close_all(struct runners *runners);
/* Ends the loops and the threads of jobs, and joins them. The loops themselves stay: letters may be
 * posted to them, which nobody opens. */
void runners_stop(struct runners *runners);
/* Behind runners_stop(): the loops go. */
void runners_free(struct runners *runners);

#endif
