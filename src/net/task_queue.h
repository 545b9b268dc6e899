// SPDX-License-Identifier: MIT
/* The run queue behind task_wake(): for the loop alone. */
#ifndef NET_TASK_QUEUE_H
#define NET_TASK_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <threads.h>

#include "net/task.h"

struct task_list {
    struct task *first, *last;
};

struct task_queue {
    struct task_list arrived, woken, later;
    bool             is_running;
    _Atomic(const struct task *) running;    /* what a crash is blamed on; read from anywhere */
};

struct task_queue *task_queue_self(void);
bool task_queue_is_empty(const struct task_queue *queue);
/* What was put off arrives now, behind what has come in meanwhile: once per turn. */
void task_queue_renew(struct task_queue *queue);
/* Nothing runs in this turn any more, but something in the next one. */
bool task_queue_has_later(const struct task_queue *queue);
/* Runs one arrival and what it wakes, at most `budget` tasks more; what is left then waits behind
 * the other arrivals. True: some are left. */
bool task_queue_run(struct task_queue *queue, unsigned budget);

#endif
