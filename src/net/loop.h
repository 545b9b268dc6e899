// SPDX-License-Identifier: MIT
/* The loop: one per thread. Its turn (loop.c, loop_turn()) is the function that a newcomer reads
 * first: poll, letters, timers, tasks, flush, bury, quiet.
 *
 * Everything that lives on a loop (conns, exchanges, pipes, timers) is touched by its thread only;
 * other threads post letters. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/block.h"
#include "base/list.h"
#include "net/mailbox.h"
#include "net/task.h"
#include "net/timer.h"

enum { LOOPS_MOST = 64 };

struct loop;

/* A dead object on its way out: unlinked now, released when the turn ends, so that nobody holds a
 * pointer to freed memory during a turn. */
struct corpse {
    struct corpse *next;
    void         (*release)(struct corpse *corpse);
};

/* A descriptor that the poller watches, edge triggered for both directions. */
struct watch {
    int          fd;
    struct task *task;                   /* woken with READABLE, WRITABLE, HANGUP */
};

/* Something with output to flush at the end of the turn. */
struct flush {
    struct link link;
    void      (*run)(struct flush *flush);
};

/* `number` < LOOPS_MOST is its place in per-loop tables. Aborts when the system has no epoll. */
struct loop *loop_new(unsigned number);
void         loop_free(struct loop **loop);
/* Runs on the calling thread until loop_stop() and makes itself loop_self() there. */
void         loop_run(struct loop *loop);
void         loop_stop(struct loop *loop);                /* this loop's thread */

struct loop   *loop_self(void);                           /* NULL outside of a loop's thread */
unsigned       loop_number(const struct loop *loop);
int64_t        loop_now_ms(const struct loop *loop);      /* monotonic, cached for the turn */
int64_t        loop_now_us(const struct loop *loop);
int64_t        loop_wall_ms(const struct loop *loop);
struct timers *loop_timers(struct loop *loop);

void loop_bury(struct loop *loop, struct corpse *corpse);
void loop_flush_later(struct loop *loop, struct flush *flush);

/* -errno from epoll. Level triggered and exclusive when `is_shared` (listening sockets). */
int  loop_watch(struct loop *loop, struct watch *watch, bool is_shared) WARN_UNUSED;
/* The descriptor is watched already, by another watch; its events go to this one from now on. */
int  loop_rewatch(struct loop *loop, struct watch *watch) WARN_UNUSED;
void loop_unwatch(struct loop *loop, struct watch *watch);

/* Where to read next: room of at least half a block (less while memory is short), in a block that the
 * loop owns. Bytes that were read are then sliced from it with loop_read_used(). NULL: there is no
 * memory for one. */
struct block *loop_read_room(struct loop *loop, uint32_t *ret_start, uint32_t *ret_room);
/* `len` bytes at the start that room gave were filled; the returned slice is a reference. */
struct slice  loop_read_used(struct loop *loop, uint32_t len);

/* How many turns so far: for watchdogs, read from any thread. */
uint64_t loop_turns(const struct loop *loop);
/* What the loop works on, or NULL: for the last words of a process that crashes. From another
 * thread the task may be gone as soon as it is returned. */
const struct task *loop_running(const struct loop *loop);

/* Per-loop state of higher layers, found by key (the address of a static): a small table. */
void *loop_local(struct loop *loop, const void *key);
void  loop_local_set(struct loop *loop, const void *key, void *value);

#endif
