// SPDX-License-Identifier: MIT
/* The run queue of the calling thread's loop: a singly linked list, first in, first out. */
#include "net/task.h"

#include <stddef.h>

#include "net/task_queue.h"

/* One loop per thread, so the queue needs no owner argument: a wake is two stores. */
static thread_local struct task_queue queue;

struct task_queue *task_queue_self(void)
{
    return &queue;
}

void task_init(struct task *task, void (*run)(struct task *task, unsigned wakes))
{
    task->next = NULL;
    task->wakes = 0;
    task->is_queued = false;
    task->run = run;
}

void task_wake(struct task *task, unsigned wakes)
{
    task->wakes |= wakes;
    if (task->is_queued)
        return;
    task->is_queued = true;
    task->next = NULL;
    if (queue.last != NULL)
        queue.last->next = task;
    else
        queue.first = task;
    queue.last = task;
}

void task_cancel(struct task *task)
{
    struct task *before = NULL;

    task->wakes = 0;
    if (!task->is_queued)
        return;
    for (struct task *at = queue.first; at != task; at = at->next)
        before = at;
    if (before != NULL)
        before->next = task->next;
    else
        queue.first = task->next;
    if (queue.last == task)
        queue.last = before;
    task->is_queued = false;
}

bool task_queue_run(struct task_queue *self, unsigned budget)
{
    while (self->first != NULL && budget-- > 0) {
        struct task *task = self->first;
        unsigned     wakes = task->wakes;

        self->first = task->next;
        if (self->first == NULL)
            self->last = NULL;
        task->is_queued = false;
        task->wakes = 0;
        task->run(task, wakes);
    }
    return self->first != NULL;
}
