// SPDX-License-Identifier: MIT
/* jobs: run on other threads, come back as letters on the loop that posted; one slow job does not
 * hold up the next while threads are left; stopping drops what waits, waits a moment for what runs
 * and leaves what is stuck. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/must.h"
#include "net/jobs.h"
#include "net/loop.h"

enum { MANY = 2000 };

struct count {
    struct job   job;
    pthread_t    ran_on;
    unsigned     number;
    atomic_bool *may_go;       /* waits for it, unless NULL */
    atomic_int  *running;
};

static struct loop *loop;
static unsigned     opened, wanted;
static unsigned     order[MANY];

static void run(struct job *job)
{
    struct count *count = container_of(job, struct count, job);

    count->ran_on = pthread_self();
    assert_null(loop_self());
    if (count->running != NULL)
        atomic_fetch_add(count->running, 1);
    while (count->may_go != NULL && !atomic_load(count->may_go))
        (void)usleep(1000);
}

static void done(struct loop *on, struct letter *letter)
{
    struct count *count = container_of(letter, struct count, job.letter);

    assert_ptr_equal(on, loop);
    assert_ptr_equal(loop_self(), loop);
    assert_false(pthread_equal(count->ran_on, pthread_self()));
    order[opened++] = count->number;
    if (opened == wanted)
        loop_stop(loop);
}

static void prepare(struct count *count, unsigned number)
{
    *count = (struct count){ .job = { .loop = loop, .run = run }, .number = number };
    count->job.letter.open = done;
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new(3);
    opened = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    jobs_stop();
    loop_free(&loop);
    return 0;
}

static void every_job_comes_back_once(void **state)
{
    static struct count counts[MANY];
    bool                has_come[MANY] = { false };

    (void)state;
    jobs_start(4);
    wanted = MANY;
    for (unsigned i = 0; i < MANY; i++) {
        prepare(&counts[i], i);
        jobs_post(&counts[i].job);
    }
    loop_run(loop);
    assert_int_equal(opened, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_false(has_come[order[i]]);
        has_come[order[i]] = true;
    }
}

static void one_thread_keeps_the_order(void **state)
{
    static struct count counts[100];

    (void)state;
    jobs_start(1);
    wanted = 100;
    for (unsigned i = 0; i < 100; i++) {
        prepare(&counts[i], i);
        jobs_post(&counts[i].job);
    }
    loop_run(loop);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(order[i], i);
}

static struct count slow, quick;

static void first_done(struct loop *on, struct letter *letter)
{
    (void)on;
    (void)letter;
    jobs_post(&slow.job);
    jobs_post(&quick.job);
}

static void quick_done(struct loop *on, struct letter *letter)
{
    (void)letter;
    loop_stop(on);
}

/* Both are posted while one thread is idle but may not have woken for the first of them yet. */
static void a_slow_job_holds_up_nobody(void **state)
{
    struct count first;
    atomic_bool  may_go = false;

    (void)state;
    jobs_start(2);
    prepare(&first, 0);
    prepare(&slow, 1);
    prepare(&quick, 2);
    first.job.letter.open = first_done;
    quick.job.letter.open = quick_done;
    slow.may_go = &may_go;
    jobs_post(&first.job);
    loop_run(loop);                    /* for ever, if quick waited for slow */
    atomic_store(&may_go, true);
    jobs_stop();
}

static void *release_later(void *arg)
{
    (void)usleep(50 * 1000);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

static void stopping_drops_what_waits(void **state)
{
    struct count running_one, waiting;
    pthread_t    releaser;
    atomic_bool  may_go = false;
    atomic_int   running = 0, never = 0;

    (void)state;
    jobs_start(1);
    prepare(&running_one, 0);
    prepare(&waiting, 1);
    running_one.may_go = &may_go;
    running_one.running = &running;
    waiting.running = &never;
    jobs_post(&running_one.job);
    jobs_post(&waiting.job);
    WAIT_UNTIL(atomic_load(&running) == 1);
    assert_int_equal(pthread_create(&releaser, NULL, release_later, &may_go), 0);
    jobs_stop();
    assert_true(atomic_load(&may_go));     /* it has waited for the running one */
    jobs_post(&waiting.job);               /* too late: nobody runs it */
    (void)pthread_join(releaser, NULL);
    (void)usleep(20 * 1000);
    assert_int_equal(atomic_load(&never), 0);
}

static void last_open(struct loop *on, struct letter *letter)
{
    (void)letter;
    loop_stop(on);
}

/* getaddrinfo() can't be called off: the process must be able to end all the same. */
static void stopping_leaves_what_is_stuck(void **state)
{
    static struct count stuck;
    static atomic_bool  may_go = false;
    static atomic_int   running = 0;
    struct letter       last = { .open = last_open };
    int64_t             begin_ms;

    (void)state;
    jobs_start(1);
    wanted = 2;
    prepare(&stuck, 0);
    stuck.may_go = &may_go;
    stuck.running = &running;
    jobs_post(&stuck.job);
    WAIT_UNTIL(atomic_load(&running) == 1);
    begin_ms = clock_mono_ms();
    jobs_stop();
    assert_true(clock_mono_ms() - begin_ms >= JOBS_STOP_MS - 1);
    atomic_store(&may_go, true);
    (void)usleep(50 * 1000);
    mailbox_post(loop, &last);
    loop_run(loop);
    assert_int_equal(opened, 0);       /* it has ended, and posted nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_job_comes_back_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_thread_keeps_the_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_job_holds_up_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopping_drops_what_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopping_leaves_what_is_stuck, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
