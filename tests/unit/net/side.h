// SPDX-License-Identifier: MIT
/* A loop on a thread of its own, as the process has them. The test's thread plays the other end and
 * looks at what lives on the loop only through side_call(), which runs a function there. */
#ifndef TESTS_UNIT_NET_SIDE_H
#define TESTS_UNIT_NET_SIDE_H

#include "check.h"

#include <pthread.h>
#include <semaphore.h>

#include "base/must.h"
#include "net/lane.h"
#include "net/loop.h"

struct side {
    struct loop *loop;
    pthread_t    thread;
};

struct side_letter {
    struct letter letter;
    void        (*run)(struct loop *loop, void *argument);
    void         *argument;
    sem_t         is_done;
};

static inline void *side_run(void *argument)
{
    loop_run(((struct side *)argument)->loop);
    lanes_drain();
    return NULL;
}

static inline void side_open(struct loop *loop, struct letter *letter)
{
    struct side_letter *call = container_of(letter, struct side_letter, letter);

    call->run(loop, call->argument);
    (void)sem_post(&call->is_done);
}

static inline void side_call(struct side *side, void (*run)(struct loop *, void *), void *argument)
{
    struct side_letter call = { .letter = { .open = side_open }, .run = run,
                                .argument = argument };

    (void)sem_init(&call.is_done, 0, 0);
    mailbox_post(side->loop, &call.letter);
    while (sem_wait(&call.is_done) != 0) {
    }
    (void)sem_destroy(&call.is_done);
}

static inline void side_start(struct side *side, unsigned number)
{
    side->loop = loop_new(number);
    assert_int_equal(pthread_create(&side->thread, NULL, side_run, side), 0);
}

static inline void side_end(struct loop *loop, void *argument)
{
    (void)argument;
    loop_stop(loop);
}

/* Its thread has ended, its loop is still there. */
static inline void side_join(struct side *side)
{
    side_call(side, side_end, NULL);
    (void)pthread_join(side->thread, NULL);
}

static inline void side_stop(struct side *side)
{
    side_join(side);
    loop_free(&side->loop);
}

#endif
