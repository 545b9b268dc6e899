// SPDX-License-Identifier: MIT
/* A task is anything that can be woken. Wakes gather and never nest: task_wake() notes a reason and
 * puts the task into its loop's run queue; the loop runs it later in the same turn. Owner: whoever
 * embeds it. One loop, one thread. */
#ifndef NET_TASK_H
#define NET_TASK_H

#include <stdbool.h>

enum wake {
    WAKE_READABLE = 1u << 0, WAKE_WRITABLE = 1u << 1, WAKE_HANGUP = 1u << 2,   /* the poller */
    WAKE_DEADLINE = 1u << 3, WAKE_LETTER = 1u << 4,                            /* time, threads */
    WAKE_DATA = 1u << 5, WAKE_ROOM = 1u << 6,                                  /* a pipe */
    WAKE_END = 1u << 7, WAKE_FAULT = 1u << 8,
    WAKE_ABOVE = 1u << 9                                      /* first bit for higher layers */
};

struct task {
    struct task *next;                   /* in the run queue while queued */
    unsigned     wakes;                  /* reasons since the last run */
    bool         is_queued;
    void       (*run)(struct task *task, unsigned wakes);
};

void task_init(struct task *task, void (*run)(struct task *task, unsigned wakes));
void task_wake(struct task *task, unsigned wakes);   /* on the task's own loop; returns at once */
/* The same, but in the loop's next turn, behind what arrives with it: to go on with what would take long. */
void task_wake_last(struct task *task, unsigned wakes);
/* Takes it out of the queue and forgets its wakes: before its owner is buried. */
void task_cancel(struct task *task);
/* The calling thread works on this task's behalf from now on (NULL: on nobody's): a store, for the
 * line that a crash leaves behind. The loop says so of each task that it runs. */
void task_note_running(const struct task *task);

#endif
