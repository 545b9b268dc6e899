// SPDX-License-Identifier: MIT
/* A round's letters travel to their loops and come back as the same letters to the control loop, so
 * a round costs no allocation but its own. */
#include "main/runners.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "main/crash.h"
#include "net/jobs.h"
#include "net/room.h"

/* ---- threads ---- */

static void *runner_run(void *argument)
{
    struct runner *runner = argument;
    char           name[16];

    (void)snprintf(name, sizeof(name), "loop %u", loop_number(runner->loop));
    (void)pthread_setname_np(pthread_self(), name);
    crash_stack_take();
    runner->front = front_new(runner->loop, runner->runners->connections_most);
    loop_run(runner->loop);
    return NULL;
}

static int runner_start(struct runner *runner)
{
    int error = pthread_create(&runner->thread, NULL, runner_run, runner);

    runner->is_started = error == 0;
    return -error;
}

int runners_start(struct runners *runners, struct loop *control, unsigned count,
                  unsigned connections_most)
{
    int error = 0;

    must(count > 0 && count < LOOPS_MOST);
    runners->control = control;
    runners->count = count;
    runners->connections_most = connections_most;
    for (unsigned i = 0; i < count; i++) {
        runners->each[i] = (struct runner){ .runners = runners, .loop = loop_new(i) };
        runners->loops[i] = runners->each[i].loop;
    }
    crash_know_loops(runners->loops, count);
    room_begin(count);
    for (unsigned i = 0; i < count && error == 0; i++)
        error = runner_start(&runners->each[i]);
    return error;
}

/* ---- rounds ---- */

static void step_open(struct loop *loop, struct letter *letter)
{
    struct round_step *step = container_of(letter, struct round_step, letter);
    struct round      *round = step->round;
    struct runners    *runners = step->runner->runners;

    (void)loop;
    if (!step->is_back) {
        if (round->act != NULL)
            round->act(step->runner, round);
        step->is_back = true;
        mailbox_post(runners->control, letter);
        return;
    }
    if (--round->left == 0)
        round->done(runners, round);
}

void round_start(struct runners *runners, struct round *round)
{
    round->left = runners->count;
    for (unsigned i = 0; i < runners->count; i++) {
        struct round_step *step = &round->steps[i];

        *step = (struct round_step){ .letter = { .open = step_open }, .round = round,
                                     .runner = &runners->each[i] };
        mailbox_post(runners->loops[i], &step->letter);
    }
}

/* ---- draining ---- */

struct drain {
    struct round round;
    void       (*stopped_accepting)(struct runners *runners);
};

static void drained_open(struct loop *loop, struct letter *letter)
{
    struct runner *runner = container_of(letter, struct runner, drained);

    (void)loop;
    if (--runner->runners->draining == 0)
        runner->runners->drained(runner->runners);
}

static void drained_tell(void *arg)
{
    struct runner *runner = arg;

    if (runner->is_drained)
        return;
    runner->is_drained = true;
    runner->drained = (struct letter){ .open = drained_open };
    mailbox_post(runner->runners->control, &runner->drained);
}

static void drain_act(struct runner *runner, struct round *round)
{
    (void)round;
    front_drain(runner->front, drained_tell, runner);
}

static void drain_done(struct runners *runners, struct round *round)
{
    struct drain *drain = container_of(round, struct drain, round);

    drain->stopped_accepting(runners);
    mem_free(drain);
}

void runners_drain(struct runners *runners, void (*stopped_accepting)(struct runners *runners))
{
    struct drain *drain = mem_new(sizeof(*drain));

    drain->round.act = drain_act;
    drain->round.done = drain_done;
    drain->stopped_accepting = stopped_accepting;
    runners->draining = runners->count;
    round_start(runners, &drain->round);
}

static void close_act(struct runner *runner, struct round *round)
{
    (void)round;
    front_close_all(runner->front);
}

static void round_free(struct runners *runners, struct round *round)
{
    (void)runners;
    mem_free(round);
}

void runners_close_all(struct runners *runners)
{
    struct round *round = mem_new(sizeof(*round));

    round->act = close_act;
    round->done = round_free;
    round_start(runners, round);
}

/* ---- the end ---- */

static void stop_open(struct loop *loop, struct letter *letter)
{
    (void)letter;
    /* The log of the last configuration ends before the loop does. */
    log_use(NULL);
    loop_stop(loop);
}

void runners_stop(struct runners *runners)
{
    struct letter letters[LOOPS_MOST];

    for (unsigned i = 0; i < runners->count; i++) {
        struct runner *runner = &runners->each[i];

        if (!runner->is_started)
            continue;
        letters[i] = (struct letter){ .open = stop_open };
        mailbox_post(runner->loop, &letters[i]);
        (void)pthread_join(runner->thread, NULL);
        runner->is_started = false;
    }
    jobs_stop();   /* a job's answer must not find its loop gone */
}

void runners_free(struct runners *runners)
{
    for (unsigned i = 0; i < runners->count; i++)
        loop_free(&runners->each[i].loop);
}
