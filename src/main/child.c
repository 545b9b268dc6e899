// SPDX-License-Identifier: MIT
/* The watchdog counts pings, not time: when this process was held up too (a suspended machine, a
 * debugger), no ping was sent and nobody is blamed. */
#include "main/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "main/delivery.h"
#include "main/worker.h"
#include "main/worker_process.h"

struct thread_start {
    struct child *child;
    int           channel;
};

static void *thread_run(void *argument)
{
    struct thread_start start = *(struct thread_start *)argument;

    mem_free(argument);
    start.child->thread_status = worker_run(start.channel, -1);
    return NULL;
}

static int thread_start(struct child *child, int channel)
{
    struct thread_start *start = mem_new(sizeof(*start));
    int                  error;

    *start = (struct thread_start){ .child = child, .channel = channel };
    error = pthread_create(&child->thread, NULL, thread_run, start);
    if (error != 0)
        mem_free(start);
    return -error;
}

static int process_start(struct child *child, const struct generation *generation, int channel)
{
    child->pid = fork();
    if (child->pid < 0)
        return -errno;
    if (child->pid == 0)
        worker_process_run(generation, channel);
    (void)close(channel);
    log_at(LOG_NOTICE, NULL, "start worker process %d", (int)child->pid);
    return 0;
}

struct child *child_start(const struct generation *generation, const struct ticket_keys *tickets,
                          bool has_own_process)
{
    struct child *child = mem_new(sizeof(*child));
    int           ends[2], error = channel_open(ends);

    child->channel = -1;
    if (error == 0) {
        child->channel = ends[0];
        error = has_own_process ? process_start(child, generation, ends[1])
                                : thread_start(child, ends[1]);
        if (error < 0)
            (void)close(ends[1]);
    }
    if (error < 0) {
        log_at(LOG_ALERT, NULL, "a worker could not be started %s", log_errno(-error).text);
        child_free(&child);
        return NULL;
    }
    child->pinged_ms = clock_mono_ms();
    /* First, so that it makes no ticket that nobody else can open. */
    if (tickets != NULL)
        child_send_tickets(child, tickets);
    (void)child_send_generation(child, generation);
    return child;
}

void child_free(struct child **child)
{
    if ((*child)->channel >= 0)
        (void)close((*child)->channel);
    MEM_FREE(child);
}

/* ---- talking ---- */

static bool is_sent(struct child *child, int error)
{
    if (error < 0 && error != -EPIPE)
        log_at(LOG_ERROR, NULL, "worker process %d does not take messages %s", (int)child->pid,
               log_errno(-error).text);
    return error == 0;
}

bool child_send(struct child *child, const struct message *message)
{
    return child->channel >= 0 && is_sent(child, channel_send(child->channel, message));
}

int child_send_generation(struct child *child, const struct generation *generation)
{
    int error;

    child->asked = generation->number;
    error = delivery_send(child->channel, generation->bundle, generation->text_fd,
                          generation->number, generation->loop_count);
    return is_sent(child, error) ? 0 : error;
}

void child_send_tickets(struct child *child, const struct ticket_keys *tickets)
{
    struct message message = { .kind = MESSAGE_TICKETS, .fd_count = 1 };
    int            error = ticket_keys_to_fd(tickets, &message.fds[0]);

    if (error < 0) {
        log_at(LOG_ERROR, NULL, "the keys of session tickets could not be sent %s",
               log_errno(-error).text);
        return;
    }
    (void)child_send(child, &message);
    message_close_fds(&message);
}

void child_drain(struct child *child, uint32_t timeout_ms)
{
    struct message message = { .kind = MESSAGE_DRAIN, .timeout_ms = timeout_ms };

    child->is_leaving = true;
    (void)child_send(child, &message);
}

void child_stop(struct child *child, int64_t now_ms)
{
    struct message message = { .kind = MESSAGE_STOP };

    if (child->is_stopping)
        return;
    child->is_leaving = child->is_stopping = true;
    child->kill_ms = now_ms + CHILD_STOP_MS;
    (void)child_send(child, &message);
}

/* ---- watching ---- */

static void child_kill(const struct child *child, int signal_number)
{
    if (child->pid > 0)
        (void)kill(child->pid, signal_number);
}

/* A core file first, for whoever looks into it. */
static void child_abort(struct child *child, int64_t now_ms)
{
    log_at(LOG_ERROR, NULL, "worker process %d has not answered for %d s and is replaced",
           (int)child->pid, CHILD_PING_MS * (int)child->unanswered / 1000);
    child_kill(child, SIGABRT);
    child->kill_ms = now_ms + CHILD_ABORT_MS;
}

static void child_ping(struct child *child, int64_t now_ms)
{
    struct message message = { .kind = MESSAGE_PING };

    child->pinged_ms = now_ms;
    if (child->unanswered >= CHILD_PINGS_MOST) {
        child_abort(child, now_ms);
        return;
    }
    child->unanswered++;
    (void)child_send(child, &message);
}

int64_t child_watch(struct child *child, int64_t now_ms)
{
    if (child->pid == 0)
        return INT64_MAX;
    if (child->kill_ms != 0) {
        if (now_ms < child->kill_ms)
            return child->kill_ms;
        child_kill(child, SIGKILL);
        child->kill_ms = now_ms + CHILD_STOP_MS;
        return child->kill_ms;
    }
    if (now_ms >= child->pinged_ms + CHILD_PING_MS)
        child_ping(child, now_ms);
    return child->kill_ms != 0 ? child->kill_ms : child->pinged_ms + CHILD_PING_MS;
}

/* ---- the end ---- */

static bool is_crash(int number)
{
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP };

    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        if (crashes[i] == number)
            return true;
    return false;
}

bool child_report_end(const struct child *child, int status)
{
    if (WIFSIGNALED(status)) {
        log_at(is_crash(WTERMSIG(status)) ? LOG_ALERT : LOG_ERROR, NULL,
               "worker process %d exited on signal %d%s", (int)child->pid, WTERMSIG(status),
               WCOREDUMP(status) ? " (core dumped)" : "");
        return false;
    }
    log_at(WEXITSTATUS(status) == 0 ? LOG_NOTICE : LOG_ERROR, NULL,
           "worker process %d exited with code %d", (int)child->pid, WEXITSTATUS(status));
    return WEXITSTATUS(status) == 0;
}
