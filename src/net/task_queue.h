// SPDX-License-Identifier: MIT
/* The run queue behind task_wake(): for the loop alone. */
#ifndef NET_TASK_QUEUE_H
#define NET_TASK_QUEUE_H

#include <stdbool.h>
#include <threads.h>

#include "net/task.h"

struct task_queue {
    struct task *first, *last;
};

struct task_queue *task_queue_self(void);
/* Runs tasks, those woken meanwhile included, at most `budget`; true: some are left. */
bool task_queue_run(struct task_queue *queue, unsigned budget);

#endif
