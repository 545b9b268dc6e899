// SPDX-License-Identifier: MIT
/* loop: the order of a turn, one run for many wakes, burial at the end, readiness by edge, and the
 * block that reads share. The loop runs on the test's own thread. */
#include "check.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/must.h"
#include "base/pool.h"
#include "base/shortage.h"
#include "net/loop.h"

static struct loop *loop;
static char         story[256];       /* a letter for each thing that happened */

static void note(const char *what)
{
    (void)strncat(story, what, sizeof(story) - strlen(story) - 1);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new(5);
    story[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(&loop);
    assert_null(loop);
    return 0;
}

struct actor {
    struct task   task;
    struct letter letter;
    struct flush  flush;
    struct corpse corpse;
    struct watch  watch;
    struct timer  timer;
    unsigned      wakes, runs;
};

static void actor_init(struct actor *actor, void (*run)(struct task *, unsigned))
{
    *actor = (struct actor){ .runs = 0 };
    task_init(&actor->task, run);
    list_init(&actor->flush.link);
    timer_init(&actor->timer, &actor->task);
}

static struct actor *actor_of(struct task *task)
{
    return container_of(task, struct actor, task);
}

/* Gives up on a test that would otherwise never end. */
static struct actor guard;

static void guard_run(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
    note("!");
    loop_stop(loop);
}

/* Runs the loop with `first` opened in its first turn. */
static void run_with(struct actor *actor, void (*first)(struct loop *, struct letter *))
{
    actor_init(&guard, guard_run);
    timer_set(loop_timers(loop), &guard.timer, loop_now_ms(loop) + 5000);
    actor->letter.open = first;
    mailbox_post(loop, &actor->letter);
    loop_run(loop);
}

/* ---- the order of a turn ---- */

static void order_release(struct corpse *corpse)
{
    (void)corpse;
    note("R");
    loop_stop(loop);
}

static void order_flush(struct flush *flush)
{
    struct actor *actor = container_of(flush, struct actor, flush);

    note("F");
    if (actor->runs == 1)
        task_wake(&actor->task, WAKE_DATA);     /* still in this turn */
}

static void order_run(struct task *task, unsigned wakes)
{
    struct actor *actor = actor_of(task);

    (void)wakes;
    note("T");
    if (actor->runs++ == 0)
        loop_bury(loop, &actor->corpse);
    loop_flush_later(loop, &actor->flush);
    loop_flush_later(loop, &actor->flush);
}

static void order_open(struct loop *on, struct letter *letter)
{
    struct actor *actor = container_of(letter, struct actor, letter);

    assert_ptr_equal(on, loop);
    assert_ptr_equal(loop_self(), loop);
    note("L");
    task_wake(&actor->task, WAKE_LETTER);
    task_wake(&actor->task, WAKE_DATA);
}

static void letters_tasks_flushes_burials(void **state)
{
    struct actor actor;

    (void)state;
    actor_init(&actor, order_run);
    actor.flush.run = order_flush;
    actor.corpse.release = order_release;
    run_with(&actor, order_open);
    assert_string_equal(story, "LTFTFR");
    assert_int_equal(loop_turns(loop), 1);
    assert_int_equal(loop_number(loop), 5);
    assert_null(loop_self());
}

/* ---- the dead under load ---- */

enum { RUNS_IN_ALL = 40000 };

static int runs_at_release;

static void busy_release(struct corpse *corpse)
{
    runs_at_release = container_of(corpse, struct actor, corpse)->runs;
}

static void busy_run(struct task *task, unsigned wakes)
{
    struct actor *actor = actor_of(task);

    (void)wakes;
    if (++actor->runs == 1)
        loop_bury(loop, &actor->corpse);
    if (actor->runs == RUNS_IN_ALL)
        loop_stop(loop);
    else
        task_wake_last(task, WAKE_DATA);
}

/* While tasks are queued one of them may not know of the death yet; but the queue never being empty
 * must not keep the dead for ever. */
static void the_dead_wait_for_the_queue_and_no_longer(void **state)
{
    struct actor actor;

    (void)state;
    actor_init(&actor, busy_run);
    actor.corpse.release = busy_release;
    run_with(&actor, order_open);
    assert_int_equal(actor.runs, RUNS_IN_ALL);
    assert_in_range(runs_at_release, 2, RUNS_IN_ALL / 2);
    assert_true(loop_turns(loop) > 1);
}

/* Output that a letter made goes out even if no task was woken. */
static void only_flush(struct flush *flush)
{
    (void)flush;
    note("F");
    loop_stop(loop);
}

static void only_flush_open(struct loop *on, struct letter *letter)
{
    loop_flush_later(on, &container_of(letter, struct actor, letter)->flush);
}

/* Some turns later, when nothing of the beginning is left that would wake a task. */
static void only_flush_soon(struct loop *on, struct letter *letter)
{
    if (loop_turns(on) == 3)
        letter->open = only_flush_open;
    mailbox_post(on, letter);
}

static void a_flush_needs_no_task(void **state)
{
    struct actor actor;

    (void)state;
    actor_init(&actor, order_run);
    actor.flush.run = only_flush;
    run_with(&actor, only_flush_soon);
    assert_string_equal(story, "F");
}

/* ---- tasks ---- */

static struct actor three[3];

static void gather_run(struct task *task, unsigned wakes)
{
    struct actor *actor = actor_of(task);

    actor->wakes = wakes;
    actor->runs++;
    if (actor == &three[0])
        task_cancel(&three[1].task);
    if (actor == &three[2])
        loop_stop(loop);
}

static void gather_open(struct loop *on, struct letter *letter)
{
    (void)on;
    (void)letter;
    task_wake(&three[0].task, WAKE_DATA);
    task_wake(&three[1].task, WAKE_DATA);
    task_wake(&three[0].task, WAKE_ROOM);
    task_wake(&three[2].task, WAKE_END);
    task_wake(&three[0].task, WAKE_DATA);
}

static void wakes_gather_and_can_be_cancelled(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        actor_init(&three[i], gather_run);
    run_with(&three[0], gather_open);
    assert_int_equal(three[0].runs, 1);
    assert_int_equal(three[0].wakes, WAKE_DATA | WAKE_ROOM);
    assert_int_equal(three[1].runs, 0);
    assert_int_equal(three[2].runs, 1);
    assert_int_equal(three[2].wakes, WAKE_END);
}

/* A task that wakes itself for ever must not keep the poller, timers and letters away. */
static void endless_run(struct task *task, unsigned wakes)
{
    (void)wakes;
    actor_of(task)->runs++;
    task_wake(task, WAKE_DATA);
}

/* The other one comes to its turn at once, long before the poller does. */
static void patient_run(struct task *task, unsigned wakes)
{
    (void)wakes;
    actor_of(task)->runs++;
    note("P");
}

static void endless_open(struct loop *on, struct letter *letter)
{
    (void)on;
    task_wake(&container_of(letter, struct actor, letter)->task, WAKE_DATA);
    task_wake(&three[0].task, WAKE_DATA);
}

static void stop_run(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
    note("D");
    loop_stop(loop);
}

static void a_busy_task_does_not_stop_time(void **state)
{
    struct actor busy, timed;

    (void)state;
    actor_init(&busy, endless_run);
    actor_init(&timed, stop_run);
    actor_init(&three[0], patient_run);
    timer_set(loop_timers(loop), &timed.timer, loop_now_ms(loop) + 20);
    run_with(&busy, endless_open);
    assert_string_equal(story, "PD");
    assert_true(busy.runs > 1);
    task_cancel(&busy.task);
}

/* ---- time ---- */

static int64_t asked_ms;

static void timed_run(struct task *task, unsigned wakes)
{
    (void)task;
    assert_int_equal(wakes, WAKE_DEADLINE);
    assert_true(loop_now_ms(loop) >= asked_ms);
    assert_true(loop_now_us(loop) / 1000 == loop_now_ms(loop));
    assert_in_range(loop_now_ms(loop) - asked_ms, 0, 500);
    assert_in_range(clock_wall_ms() - loop_wall_ms(loop), 0, 1000);
    note("D");
    loop_stop(loop);
}

static void timed_open(struct loop *on, struct letter *letter)
{
    struct actor *actor = container_of(letter, struct actor, letter);

    asked_ms = loop_now_ms(on) + 30;
    timer_set(loop_timers(on), &actor->timer, asked_ms);
}

static void a_deadline_wakes_the_loop(void **state)
{
    struct actor actor;

    (void)state;
    actor_init(&actor, timed_run);
    run_with(&actor, timed_open);
    assert_string_equal(story, "D");
    assert_in_range(loop_turns(loop), 2, 10);   /* it slept in between */
}

/* ---- readiness ---- */

static int pair[2];

static void edge_run(struct task *task, unsigned wakes)
{
    struct actor *actor = actor_of(task);
    char          byte;

    actor->runs++;
    actor->wakes |= wakes;
    if (wakes & WAKE_READABLE)
        note("r");
    if (wakes & WAKE_WRITABLE)
        note("w");
    if (wakes & WAKE_HANGUP)
        note("h");
    if (wakes & WAKE_DEADLINE) {
        note("d");
        if (strchr(story, 'h') != NULL) {
            loop_stop(loop);
            return;
        }
        (void)close(pair[1]);
        timer_set(loop_timers(loop), &actor->timer, loop_now_ms(loop) + 30);
    }
    /* Two bytes came and one is read: the edge does not come again. */
    if (actor->runs == 1)
        assert_int_equal(read(pair[0], &byte, 1), 1);
}

static void edge_open(struct loop *on, struct letter *letter)
{
    struct actor *actor = container_of(letter, struct actor, letter);

    actor->watch = (struct watch){ .fd = pair[0], .task = &actor->task };
    assert_int_equal(loop_watch(on, &actor->watch, false), 0);
    assert_int_equal(loop_watch(on, &actor->watch, false), -EEXIST);
    assert_int_equal(write(pair[1], "ab", 2), 2);
    timer_set(loop_timers(on), &actor->timer, loop_now_ms(on) + 30);
}

static void a_watch_is_woken_by_edges(void **state)
{
    struct actor actor;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    actor_init(&actor, edge_run);
    run_with(&actor, edge_open);
    assert_string_equal(story, "rwdrwhd");
    loop_unwatch(loop, &actor.watch);
    (void)close(pair[0]);
}

static void level_run(struct task *task, unsigned wakes)
{
    struct actor *actor = actor_of(task);
    char          byte;

    assert_true(wakes & WAKE_READABLE);
    note("r");
    if (++actor->runs == 3)
        assert_int_equal(read(pair[0], &byte, 1), 1);
    if (actor->runs == 3)
        loop_stop(loop);
}

static void level_open(struct loop *on, struct letter *letter)
{
    struct actor *actor = container_of(letter, struct actor, letter);

    actor->watch = (struct watch){ .fd = pair[0], .task = &actor->task };
    assert_int_equal(loop_watch(on, &actor->watch, true), 0);
    assert_int_equal(write(pair[1], "a", 1), 1);
}

static void a_shared_watch_comes_until_it_is_served(void **state)
{
    struct actor actor;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    actor_init(&actor, level_run);
    run_with(&actor, level_open);
    assert_string_equal(story, "rrr");
    loop_unwatch(loop, &actor.watch);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* ---- what the loop keeps ---- */

static void room_is_shared_by_reads(void **state)
{
    uint32_t      start, room;
    struct block *block = loop_read_room(loop, &start, &room);
    struct slice  first, second;

    (void)state;
    assert_int_equal(start, 0);
    assert_true(room >= BLOCK_SIZE / 2);
    memcpy(block->bytes, "first", 5);
    first = loop_read_used(loop, 5);
    block = loop_read_room(loop, &start, &room);
    assert_int_equal(start, 5);
    memcpy(block->bytes + start, "second", 6);
    second = loop_read_used(loop, 6);
    CHECK_TEXT(slice_text(first), "first");
    CHECK_TEXT(slice_text(second), "second");
    assert_ptr_equal(first.block, second.block);
    slice_unref(first);
    slice_unref(second);
    (void)loop_read_room(loop, &start, &room);
    assert_int_equal(start, 0);         /* nobody looks at it any more */
}

static void a_short_memory_gives_less_room(void **state)
{
    uint32_t start, room;

    (void)state;
    shortage_begin(SHORTAGE_SYSTEM);
    assert_non_null(loop_read_room(loop, &start, &room));
    assert_true(room > 0 && room < BLOCK_SIZE / 2);
    shortage_end(SHORTAGE_SYSTEM);
}

static void held_bytes_are_not_written_over(void **state)
{
    struct slice held[64];
    uint32_t     start, room;

    (void)state;
    for (int i = 0; i < 64; i++) {
        struct block *block = loop_read_room(loop, &start, &room);

        assert_true(room >= BLOCK_SIZE / 2);
        assert_true(start + room <= block->size);
        memset(block->bytes + start, i, 3000);
        held[i] = loop_read_used(loop, 3000);
    }
    for (int i = 0; i < 64; i++) {
        for (int k = 0; k < 3000; k++)
            assert_int_equal(slice_ptr(held[i])[k], i);
        slice_unref(held[i]);
    }
}

static void locals_are_found_by_key(void **state)
{
    static const char keys[8];
    int               values[8];

    (void)state;
    for (int i = 0; i < 7; i++) {
        assert_null(loop_local(loop, &keys[i]));
        loop_local_set(loop, &keys[i], &values[i]);
    }
    loop_local_set(loop, &keys[3], &values[7]);
    for (int i = 0; i < 7; i++)
        assert_ptr_equal(loop_local(loop, &keys[i]), &values[i == 3 ? 7 : i]);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(letters_tasks_flushes_burials),
        WITH_LOOP(the_dead_wait_for_the_queue_and_no_longer),
        WITH_LOOP(a_flush_needs_no_task),
        WITH_LOOP(wakes_gather_and_can_be_cancelled),
        WITH_LOOP(a_busy_task_does_not_stop_time),
        WITH_LOOP(a_deadline_wakes_the_loop),
        WITH_LOOP(a_watch_is_woken_by_edges),
        WITH_LOOP(a_shared_watch_comes_until_it_is_served),
        WITH_LOOP(room_is_shared_by_reads),
        WITH_LOOP(a_short_memory_gives_less_room),
        WITH_LOOP(held_bytes_are_not_written_over),
        WITH_LOOP(locals_are_found_by_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
