// SPDX-License-Identifier: MIT
/* The pool: one queue, threads started as jobs arrive. */
#include "net/jobs.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/pool.h"

enum { THREADS_MOST = 16 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t  work;
    pthread_t       threads[THREADS_MOST];
    unsigned        most, started, idle, waiting;
    bool            is_stopping;
    struct job     *first, *last;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER };

void jobs_start(unsigned threads)
{
    pthread_mutex_lock(&pool.lock);
    pool.most = threads < THREADS_MOST ? threads : THREADS_MOST;
    pool.is_stopping = false;
    pthread_mutex_unlock(&pool.lock);
}

static struct job *job_wait(void)
{
    struct job *job;

    pthread_mutex_lock(&pool.lock);
    pool.idle++;
    while (pool.first == NULL && !pool.is_stopping)
        pthread_cond_wait(&pool.work, &pool.lock);
    pool.idle--;
    job = pool.is_stopping ? NULL : pool.first;
    if (job != NULL) {
        pool.first = job->next;
        pool.waiting--;
        if (pool.first == NULL)
            pool.last = NULL;
    }
    pthread_mutex_unlock(&pool.lock);
    return job;
}

/* Under the lock, since behind jobs_stop() the loop may be gone. */
static void run(struct job *job)
{
    job->run(job);
    pthread_mutex_lock(&pool.lock);
    if (!pool.is_stopping)
        mailbox_post(job->loop, &job->letter);
    pthread_mutex_unlock(&pool.lock);
}

static void *thread_run(void *arg)
{
    struct job *job;
    sigset_t    all;

    (void)arg;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while ((job = job_wait()) != NULL)
        run(job);
    pools_drain();
    return NULL;
}

static void append(struct job *job)
{
    job->next = NULL;
    if (pool.last != NULL)
        pool.last->next = job;
    else
        pool.first = job;
    pool.last = job;
    pool.waiting++;
}

/* An idle thread that was rung may not have woken yet, so jobs are counted, not rings. */
static void start_if_short(void)
{
    if (pool.waiting > pool.idle && pool.started < pool.most &&
        pthread_create(&pool.threads[pool.started], NULL, thread_run, NULL) == 0)
        pool.started++;
}

void jobs_post(struct job *job)
{
    bool has_nobody;

    pthread_mutex_lock(&pool.lock);
    must(pool.most > 0);
    if (pool.is_stopping) {
        pthread_mutex_unlock(&pool.lock);
        return;
    }
    append(job);
    start_if_short();
    has_nobody = pool.started == 0;
    if (has_nobody) {
        pool.first = pool.last = NULL;
        pool.waiting = 0;
    }
    pthread_cond_signal(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    /* The system gives us not even one thread: slow is better than never. */
    if (has_nobody)
        run(job);
}

/* The wall clock is what pthread_timedjoin_np() knows. */
static struct timespec wall_after(int64_t ms)
{
    int64_t at_ms = clock_wall_ms() + ms;

    return (struct timespec){ .tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000 };
}

void jobs_stop(void)
{
    struct timespec deadline = wall_after(JOBS_STOP_MS);
    unsigned        started;

    pthread_mutex_lock(&pool.lock);
    pool.is_stopping = true;
    pool.first = pool.last = NULL;
    pool.waiting = 0;
    started = pool.started;
    pool.started = 0;
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    for (unsigned i = 0; i < started; i++)
        if (pthread_timedjoin_np(pool.threads[i], NULL, &deadline) != 0)
            (void)pthread_detach(pool.threads[i]);
}
