// SPDX-License-Identifier: MIT
/* The run queue of the calling thread's loop. What the poller, timers and letters woke has arrived;
 * what those tasks wake in turn runs before the next arrival, while its bytes are in the cache. What is put
 * off until later does not run before the poller was looked at again. */
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

static void list_add(struct task_list *list, struct task *task)
{
    task->next = NULL;
    if (list->last != NULL)
        list->last->next = task;
    else
        list->first = task;
    list->last = task;
}

static struct task *list_take(struct task_list *list)
{
    struct task *task = list->first;

    list->first = task->next;
    if (list->first == NULL)
        list->last = NULL;
    return task;
}

static bool list_drop(struct task_list *list, struct task *task)
{
    struct task *before = NULL, *at = list->first;

    while (at != NULL && at != task) {
        before = at;
        at = at->next;
    }
    if (at == NULL)
        return false;
    if (before != NULL)
        before->next = task->next;
    else
        list->first = task->next;
    if (list->last == task)
        list->last = before;
    return true;
}

void task_wake(struct task *task, unsigned wakes)
{
    task->wakes |= wakes;
    if (task->is_queued)
        return;
    task->is_queued = true;
    list_add(queue.is_running ? &queue.woken : &queue.arrived, task);
}

void task_wake_last(struct task *task, unsigned wakes)
{
    task->wakes |= wakes;
    if (task->is_queued)
        return;
    task->is_queued = true;
    list_add(&queue.later, task);
}

void task_cancel(struct task *task)
{
    task->wakes = 0;
    if (!task->is_queued)
        return;
    if (!list_drop(&queue.woken, task) && !list_drop(&queue.arrived, task))
        (void)list_drop(&queue.later, task);
    task->is_queued = false;
}

void task_note_running(const struct task *task)
{
    atomic_store_explicit(&queue.running, task, memory_order_relaxed);
}

static void task_run(struct task *task)
{
    unsigned wakes = task->wakes;

    task_note_running(task);
    task->is_queued = false;
    task->wakes = 0;
    task->run(task, wakes);
}

/* All of `from`, behind what has arrived. */
static void list_arrive(struct task_queue *self, struct task_list *from)
{
    if (from->first == NULL)
        return;
    if (self->arrived.last != NULL)
        self->arrived.last->next = from->first;
    else
        self->arrived.first = from->first;
    self->arrived.last = from->last;
    *from = (struct task_list){ .first = NULL };
}

void task_queue_renew(struct task_queue *self)
{
    list_arrive(self, &self->later);
}

bool task_queue_has_later(const struct task_queue *self)
{
    return self->later.first != NULL;
}

bool task_queue_is_empty(const struct task_queue *self)
{
    return self->arrived.first == NULL;
}

/* Its owner lies around it. With a thousand connections it has left the cache since it last ran. */
static void prefetch(const struct task *task)
{
    enum { LINES = 6, LINE_BYTES = 64 };

    for (int i = 0; i < LINES && task != NULL; i++)
        __builtin_prefetch((const char *)task + i * LINE_BYTES);
}

bool task_queue_run(struct task_queue *self, unsigned budget)
{
    struct task *task = self->arrived.first;

    self->is_running = true;
    if (task != NULL) {
        (void)list_take(&self->arrived);
        prefetch(self->arrived.first);
        task_run(task);
    }
    while (self->woken.first != NULL && budget-- > 0)
        task_run(list_take(&self->woken));
    list_arrive(self, &self->woken);   /* one that wakes itself for ever takes its turn like the others */
    self->is_running = false;
    return !task_queue_is_empty(self);
}
