// SPDX-License-Identifier: MIT
/* One bundle at a time: it is compiled on the control thread while the loops serve the former one,
 * then adopted by every loop in a round, and only then acknowledged and the former one retired. */
#include "main/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "main/control_commands.h"
#include "main/crash.h"
#include "main/delivery.h"
#include "main/edition.h"
#include "main/last_words.h"
#include "main/memory_limit.h"
#include "main/relief.h"
#include "main/signals.h"
#include "main/stapling.h"
#include "main/ticket_keys.h"
#include "net/jobs.h"
#include "net/pressure.h"
#include "net/sink.h"

enum {
    JOB_THREADS = 4,
    STOP_MOST_MS = 1000,                 /* for loops to close everything */
    ORPHAN_MOST_MS = 60000,              /* to finish when the supervisor is gone */
    SINKS_MOST_MS = 2000,
    WORDS_MS = 1000,                     /* between looks whether the disks of caches have something to say */
    STATUS_REFUSED = 2
};

enum worker_phase { PHASE_SERVING = 0, PHASE_DRAINING, PHASE_STOPPING };

struct worker {
    int               channel, signal_fd, status;
    enum worker_phase phase;
    struct loop      *control;
    struct watch      channel_watch, signal_watch;
    struct task       channel_task, signal_task, deadline_task, words_task;
    struct timer      deadline;          /* of draining and stopping */
    struct timer      words;
    struct delivery   delivery;
    struct sockets    sockets;
    struct runners    runners;
    bool              has_runners;
    struct edition   *current, *adopting;
    unsigned          editions;          /* alive */
    struct round      adoption, ping;
    bool              is_pinging;
    struct serving    serving;           /* what commands see of all this */
    struct control   *commands;          /* who asks */
    struct stapling  *stapling;
};

/* There is one; static, so that what lives until the exit stays reachable for leak checkers. */
static struct worker worker;

static void drain_begin(uint32_t timeout_ms);
static void stop_begin(void);
static void finish(void);

/* ---- telling the supervisor ---- */

static void tell(enum message_kind kind, uint32_t number, const char *reason)
{
    struct message message = { .kind = kind, .number = number };

    (void)snprintf(message.reason, sizeof(message.reason), "%s", reason);
    /* When it does not listen it is gone, and the end of the channel will say so. */
    if (channel_send(worker.channel, &message) < 0)
        return;
}

/* ---- what disks have to say ---- */

/* Loops come by a disk only when they ask for something that memory does not have. */
static void words_take(void)
{
    caches_say();
    if (cache_next(NULL) != NULL)
        timer_set(loop_timers(worker.control), &worker.words,
                  loop_now_ms(worker.control) + WORDS_MS);
}

static void words_run(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
    words_take();
}

/* ---- taking over a bundle ---- */

static void adopt_act(struct runner *runner, struct round *round)
{
    struct edition *edition = container_of(round, struct worker, adoption)->adopting;
    unsigned        loop = loop_number(runner->loop);

    log_use(edition_log(edition));
    front_adopt(runner->front, edition->snapshot, edition->fds + loop * edition->listen_count);
}

static void watermarks_set(const struct config *config)
{
    budget_set(memory_limit(config));
    pressure_set_lag(config->core.lag_close_ms, config->core.lag_stop_ms);
}

static void commands_turn_to(struct edition *edition)
{
    struct text path = edition->config->core.control_path;

    worker.serving.edition = edition;
    worker.serving.adopted_ms = loop_now_ms(worker.control);
    if (worker.phase == PHASE_SERVING)
        control_listen(worker.commands, bundle_take_fd(edition->bundle, "control", path));
}

static void adopt_done(struct runners *runners, struct round *round)
{
    struct edition *former = worker.current;

    (void)round;
    worker.current = worker.adopting;
    worker.adopting = NULL;
    log_use(edition_log(worker.current));
    edition_report_lost_lines(worker.current);
    watermarks_set(worker.current->config);
    sockets_close_unwanted(&worker.sockets);
    stapling_turn_to(worker.stapling, &worker.current->config->site);
    if (former != NULL)
        snapshot_retire(former->snapshot, worker.control, runners->loops, runners->count);
    commands_turn_to(worker.current);
    words_take();
    tell(MESSAGE_READY, worker.current->number, "");
}

static void refuse(uint32_t number, const char *reason)
{
    tell(MESSAGE_REFUSED, number, reason);
    if (worker.current != NULL)
        return;
    worker.status = STATUS_REFUSED;
    finish();
}

static void drained(struct runners *runners)
{
    (void)runners;
    finish();
}

static int runners_begin(const struct edition *edition, unsigned loop_count)
{
    int error;

    if (worker.has_runners)
        return 0;
    worker.runners.drained = drained;
    error = runners_start(&worker.runners, worker.control, loop_count,
                          edition->config->core.worker_connections);
    worker.has_runners = true;
    return error;
}

static void bundle_take(struct bundle *bundle, uint32_t number, unsigned loop_count)
{
    char            reason[MESSAGE_REASON_BYTES] = "";
    struct edition *edition = edition_new(bundle, number, worker.current, &worker.editions, reason);
    int             error;

    if (edition == NULL) {
        refuse(number, reason);
        return;
    }
    sockets_take(&worker.sockets, bundle);
    error = runners_begin(edition, loop_count);
    if (error < 0)
        (void)snprintf(reason, sizeof(reason), "pthread_create() failed %s",
                       log_errno(-error).text);
    if (error < 0 ||
        !edition_prepare(edition, &worker.sockets, worker.runners.count, worker.control, reason)) {
        edition_free(&edition);
        refuse(number, reason);
        return;
    }
    worker.adopting = edition;
    worker.adoption.act = adopt_act;
    worker.adoption.done = adopt_done;
    round_start(&worker.runners, &worker.adoption);
}

static void bundle_receive(struct message *message)
{
    struct bundle *bundle;
    uint32_t       number = message->number, loop_count;

    if (worker.adopting != NULL || delivery_add(&worker.delivery, message) < 0) {
        message_close_fds(message);
        refuse(number, "it came at the wrong time");
        return;
    }
    if (!delivery_is_complete(&worker.delivery))
        return;
    loop_count = worker.delivery.loop_count;
    if (delivery_open(&worker.delivery, &bundle) < 0)
        refuse(number, "it could not be read");
    else
        bundle_take(bundle, number, loop_count);
}

/* ---- pings ---- */

static void ping_done(struct runners *runners, struct round *round)
{
    (void)runners;
    (void)round;
    worker.is_pinging = false;
    tell(MESSAGE_PONG, 0, "");
}

/* The former ping is still on its way: name the loop that holds it up. */
static void stuck_report(void)
{
    for (unsigned i = 0; i < worker.runners.count; i++)
        if (loop_turns(worker.runners.loops[i]) == worker.runners.each[i].turns)
            log_at(LOG_WARN, NULL, "event loop %u does not turn", i);
}

static void ping_answer(void)
{
    crash_clock_set();
    if (!worker.has_runners) {
        tell(MESSAGE_PONG, 0, "");
        return;
    }
    if (worker.is_pinging) {
        stuck_report();
        return;
    }
    for (unsigned i = 0; i < worker.runners.count; i++)
        worker.runners.each[i].turns = loop_turns(worker.runners.loops[i]);
    worker.is_pinging = true;
    worker.ping.act = NULL;
    worker.ping.done = ping_done;
    round_start(&worker.runners, &worker.ping);
}

/* ---- leaving ---- */

static void finish(void)
{
    loop_stop(worker.control);
}

static void stopped_accepting(struct runners *runners)
{
    (void)runners;
    sockets_close_all(&worker.sockets);
}

static void deadline_set(uint32_t timeout_ms)
{
    timer_set(loop_timers(worker.control), &worker.deadline,
              loop_now_ms(worker.control) + timeout_ms);
}

static void drain_begin(uint32_t timeout_ms)
{
    if (worker.phase != PHASE_SERVING)
        return;
    worker.phase = PHASE_DRAINING;
    log_at(LOG_NOTICE, NULL, "gracefully shutting down");
    control_listen(worker.commands, -1);
    if (!worker.has_runners) {
        finish();
        return;
    }
    if (timeout_ms > 0)
        deadline_set(timeout_ms);
    runners_drain(&worker.runners, stopped_accepting);
}

static void stop_begin(void)
{
    enum worker_phase former = worker.phase;

    if (former == PHASE_STOPPING)
        return;
    worker.phase = PHASE_STOPPING;
    control_listen(worker.commands, -1);
    if (!worker.has_runners) {
        finish();
        return;
    }
    deadline_set(STOP_MOST_MS);
    if (former == PHASE_SERVING)
        runners_drain(&worker.runners, stopped_accepting);
    runners_close_all(&worker.runners);
}

static void deadline_run(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
    if (worker.phase == PHASE_STOPPING) {
        finish();
        return;
    }
    log_at(LOG_NOTICE, NULL, "worker_shutdown_timeout has passed: %s",
           "what is still open is closed");
    stop_begin();
}

/* ---- listening to the supervisor and to signals ---- */

static void tickets_take(struct message *message)
{
    struct tls_ticket_keys keys;
    int64_t                made_ms;
    int error = message->fd_count == 1 ? ticket_keys_from_fd(message->fds[0], &keys, &made_ms) : -EPROTO;

    message_close_fds(message);
    if (error < 0) {
        log_at(LOG_ERROR, NULL, "the keys of session tickets could not be read %s",
               log_errno(-error).text);
        return;
    }
    tls_tickets_use(&keys);
    explicit_bzero(&keys, sizeof(keys));
}

static void message_take(struct message *message)
{
    switch (message->kind) {
    case MESSAGE_BUNDLE:
    case MESSAGE_FDS:
        bundle_receive(message);
        return;
    case MESSAGE_REOPEN:
        if (worker.current != NULL)
            edition_reopen_logs(worker.current, message);
        message_close_fds(message);
        log_at(LOG_NOTICE, NULL, "reopening logs");
        return;
    case MESSAGE_TICKETS:
        tickets_take(message);
        return;
    case MESSAGE_DRAIN:
        drain_begin(message->timeout_ms);
        return;
    case MESSAGE_STOP:
        stop_begin();
        return;
    case MESSAGE_PING:
        ping_answer();
        return;
    case MESSAGE_READY:
    case MESSAGE_REFUSED:
    case MESSAGE_PONG:
        return;
    }
}

static void supervisor_is_gone(void)
{
    loop_unwatch(worker.control, &worker.channel_watch);
    if (worker.phase != PHASE_SERVING)
        return;
    log_at(LOG_ERROR, NULL, "the master process is gone");
    drain_begin(ORPHAN_MOST_MS);
}

static void channel_run(struct task *task, unsigned wakes)
{
    struct message message;
    int            error;

    (void)task;
    (void)wakes;
    while ((error = channel_receive(worker.channel, &message)) == 0)
        message_take(&message);
    if (error != -EAGAIN)
        supervisor_is_gone();
}

static uint32_t shutdown_timeout_ms(void)
{
    return worker.current == NULL ? 0 : worker.current->config->core.shutdown_timeout_ms;
}

static void signal_run(struct task *task, unsigned wakes)
{
    struct signal_news news;

    (void)task;
    (void)wakes;
    while (signals_read(worker.signal_fd, &news) == 0) {
        if (news.number == SIGTERM || news.number == SIGINT)
            stop_begin();
        else if (news.number == SIGQUIT)
            drain_begin(shutdown_timeout_ms());
    }
}

/* ---- life ---- */

static void commands_begin(void)
{
    worker.serving = (struct serving){ .control = worker.control, .runners = &worker.runners,
                                       .editions = &worker.editions,
                                       .started_ms = loop_now_ms(worker.control) };
    worker.commands = control_new(worker.control, control_commands, &worker.serving);
}

static int watches_begin(void)
{
    int error;

    task_init(&worker.channel_task, channel_run);
    task_init(&worker.signal_task, signal_run);
    task_init(&worker.deadline_task, deadline_run);
    task_init(&worker.words_task, words_run);
    timer_init(&worker.deadline, &worker.deadline_task);
    timer_init(&worker.words, &worker.words_task);
    worker.channel_watch = (struct watch){ .fd = worker.channel, .task = &worker.channel_task };
    worker.signal_watch = (struct watch){ .fd = worker.signal_fd, .task = &worker.signal_task };
    error = loop_watch(worker.control, &worker.channel_watch, false);
    if (error == 0 && worker.signal_fd >= 0)
        error = loop_watch(worker.control, &worker.signal_watch, false);
    return error;
}

/* The current edition is left as it is: freeing every piece of it would only delay the exit. */
static void worker_end(void)
{
    log_at(LOG_NOTICE, NULL, "exiting");
    if (worker.has_runners)
        runners_stop(&worker.runners);
    else
        jobs_stop();
    caches_end();
    if (worker.has_runners)
        runners_free(&worker.runners);
    log_use(last_words_log());
    sinks_stop(SINKS_MOST_MS);
    control_free(&worker.commands);
    sockets_close_all(&worker.sockets);
    delivery_done(&worker.delivery);
    (void)close(worker.channel);
}

int worker_run(int channel, int signal_fd)
{
    worker.channel = channel;
    worker.signal_fd = signal_fd;
    last_words_begin();
    crash_watch();
    crash_stack_take();
    delivery_init(&worker.delivery);
    jobs_start(JOB_THREADS);
    worker.control = loop_new(LOOPS_MOST - 1);
    worker.stapling = stapling_new(worker.control);
    commands_begin();
    if (watches_begin() < 0 || relief_begin(worker.control, &worker.runners) < 0)
        return 1;
    loop_run(worker.control);
    worker_end();
    return worker.status;
}
