// SPDX-License-Identifier: MIT
/* A loop around poll(): signals first, then what workers say, then what is due. Signals only set
 * what is wanted; tend() compares that with what is, so order and repetition do not matter. */
#include "main/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "main/certificate_watch.h"
#include "main/child.h"
#include "main/daemon.h"
#include "main/generation.h"
#include "main/notify.h"
#include "main/pid_file.h"
#include "main/restarts.h"
#include "main/signals.h"
#include "main/title.h"
#include "main/ticket_keys.h"
#include "main/upgrade.h"

enum { CHILDREN_MOST = 16 };

enum phase { PHASE_RUNNING = 0, PHASE_QUITTING, PHASE_STOPPING };

struct supervisor {
    const struct options *options;
    int                   signal_fd;
    enum phase            phase;
    struct generation    *good;          /* what the workers serve, and what they come back with */
    struct generation    *pending;       /* sent, not acknowledged yet */
    struct ticket_keys   *tickets;       /* of all workers; or NULL */
    struct child         *children;      /* newest first */
    struct restarts       restarts;
    bool                  has_served;    /* some worker was ready once */
    bool                  is_resting;    /* WINCH: no worker is wanted */
    bool                  is_daemon;
    bool                  must_reload, must_reopen;
    struct certificate_watch watch;
    pid_t                 parent;        /* the old binary, while we are its upgrade; or 0 */
    pid_t                 upgrade;       /* the new binary; or 0 */
    int                   status;
};

static const struct report to_log = { .has_log = true };

static const struct core *core_of(const struct supervisor *supervisor)
{
    return &supervisor->good->config->core;
}

/* The worker that has not been told to leave. */
static struct child *serving_child(const struct supervisor *supervisor)
{
    struct child *child = supervisor->children;

    while (child != NULL && child->is_leaving)
        child = child->next;
    return child;
}

/* ---- generations ---- */

static void pid_file_move(const struct generation *former, const struct generation *next)
{
    struct text from = former->config->core.pid_path, to = next->config->core.pid_path;
    int         error;

    if (text_is_equal(from, to))
        return;
    error = pid_file_write(to, getpid());
    if (error < 0)
        log_at(LOG_ERROR, NULL, "open() \"%.*s\" failed %s", TEXT_ARGS(to), log_errno(-error).text);
    else
        pid_file_remove(from, getpid());
}

/* Once: afterwards another process may make one with the same inode. */
static void control_remove(struct generation *generation)
{
    control_socket_remove(generation->config->core.control_path, &generation->control);
    generation->control = (struct control_file){ 0 };
}

static void pending_promote(struct supervisor *supervisor)
{
    struct generation *former = supervisor->good, *next = supervisor->pending;

    main_log_open(&next->log, &next->config->core, next->bundle);
    generation_report_stays(former, next);
    pid_file_move(former, next);
    listeners_unlink(&former->config->site, &next->config->site);
    if (!control_file_is_same(&former->control, &next->control))
        control_remove(former);
    supervisor->good = next;
    supervisor->pending = NULL;
    supervisor->watch.look_ms = 0;   /* how often may have changed */
    generation_free(&former);
    log_at(LOG_NOTICE, NULL, "the new configuration is in force");
    notify_ready();
}

/* The worker ended while it was to get a new configuration, and not for that: its successor is given it. */
static void pending_put_off(struct supervisor *supervisor, struct child *child, bool is_renewal)
{
    generation_abandon(&supervisor->pending, &supervisor->good->control);
    child->is_ready = false;
    supervisor->must_reload = supervisor->must_reload || !is_renewal;   /* the watch looks again */
}

static void pending_drop(struct supervisor *supervisor, const char *reason)
{
    log_at(LOG_ERROR, NULL, "the new configuration was not taken over: %s; the former one stays",
           reason);
    generation_abandon(&supervisor->pending, &supervisor->good->control);
    notify_ready();
}

/* Sockets that are shared with the former generation may have got other options. */
static void generation_follow(struct supervisor *supervisor, bool is_renewal)
{
    struct gathering gathering = { .options = &supervisor->options->config, .report = &to_log,
                                   .purpose = LISTENERS_RELOAD,
                                   .former = supervisor->good->bundle,
                                   .former_control = &supervisor->good->control,
                                   .loop_count = supervisor->good->loop_count,
                                   .renewed = is_renewal ? supervisor->good->config : NULL };
    struct child    *child = serving_child(supervisor);
    int              error;

    (void)mem_reserve();   /* the last reload may have spent it */
    notify_reloading();
    supervisor->pending = generation_gather(&gathering);
    if (supervisor->pending == NULL) {
        log_at(LOG_ERROR, NULL, "the new configuration is not used, the former one stays");
        notify_ready();
    } else if (child == NULL) {
        pending_promote(supervisor);
    } else if ((error = child_send_generation(child, supervisor->pending)) == -EPIPE) {
        pending_put_off(supervisor, child, is_renewal);
    } else if (error < 0) {
        pending_drop(supervisor, "the worker does not take it");
    }
}

static void reload(struct supervisor *supervisor)
{
    supervisor->must_reload = false;
    log_at(LOG_NOTICE, NULL, "reconfiguring");
    generation_follow(supervisor, false);
}

/* What else has changed on the disk waits for a reload that somebody asks for. */
static void certificates_renew(struct supervisor *supervisor)
{
    log_at(LOG_NOTICE, NULL, "certificates have changed, reading them anew");
    generation_follow(supervisor, true);
}

static void send_to_sharers(void *to, const struct message *message)
{
    struct supervisor *supervisor = to;

    for (struct child *child = supervisor->children; child != NULL; child = child->next)
        if (child->asked == supervisor->good->number)
            (void)child_send(child, message);
}

static void logs_reopen(struct supervisor *supervisor)
{
    supervisor->must_reopen = false;
    log_at(LOG_NOTICE, NULL, "reopening logs");
    log_files_reopen(&supervisor->good->config->site, &to_log, supervisor->good->bundle,
                     send_to_sharers, supervisor);
}

/* ---- the binary upgrade ---- */

static void pid_file_restore(const struct supervisor *supervisor)
{
    int error = pid_file_bring_back(core_of(supervisor)->pid_path);

    if (error < 0)
        log_at(LOG_ERROR, NULL, "the pid file could not be renamed back %s",
               log_errno(-error).text);
    control_socket_bring_back(core_of(supervisor)->control_path, &supervisor->good->control);
}

static void upgrade_begin(struct supervisor *supervisor)
{
    struct text path = core_of(supervisor)->pid_path;
    int         error = pid_file_set_aside(path);
    pid_t       pid;

    if (error < 0) {
        log_at(LOG_ERROR, NULL, "rename \"%.*s\" to \"%.*s.oldbin\" failed %s", TEXT_ARGS(path),
               TEXT_ARGS(path), log_errno(-error).text);
        return;
    }
    control_socket_set_aside(core_of(supervisor)->control_path, &supervisor->good->control);
    pid = upgrade_start(supervisor->good->bundle, supervisor->tickets);
    if (pid < 0) {
        log_at(LOG_ERROR, NULL, "fork() failed %s", log_errno(-pid).text);
        pid_file_restore(supervisor);
        return;
    }
    supervisor->upgrade = pid;
    log_at(LOG_NOTICE, NULL, "start new binary process %d", (int)pid);
}

static void upgrade_ended(struct supervisor *supervisor, int status)
{
    supervisor->upgrade = 0;
    if (WIFSIGNALED(status))
        log_at(LOG_ERROR, NULL, "new binary process exited on signal %d", WTERMSIG(status));
    else
        log_at(LOG_NOTICE, NULL, "new binary process exited with code %d", WEXITSTATUS(status));
    pid_file_restore(supervisor);
    supervisor->is_resting = false;
}

static bool is_being_upgraded(const struct supervisor *supervisor)
{
    return supervisor->upgrade != 0 ||
           (supervisor->parent != 0 && getppid() == supervisor->parent);
}

/* ---- signals ---- */

/* The file goes first: while the socket lives, no other can be taken for it. */
static void listening_end(struct generation *generation)
{
    control_remove(generation);
    generation_stop_listening(generation);
}

static void quit_begin(struct supervisor *supervisor)
{
    if (supervisor->phase != PHASE_RUNNING)
        return;
    supervisor->phase = PHASE_QUITTING;
    notify_stopping();
    for (struct child *child = supervisor->children; child != NULL; child = child->next)
        child_drain(child, core_of(supervisor)->shutdown_timeout_ms);
    listening_end(supervisor->good);
}

static void stop_begin(struct supervisor *supervisor)
{
    supervisor->phase = PHASE_STOPPING;
    notify_stopping();
    for (struct child *child = supervisor->children; child != NULL; child = child->next)
        child_stop(child, clock_mono_ms());
    listening_end(supervisor->good);
}

static void rest_begin(struct supervisor *supervisor)
{
    supervisor->is_resting = true;
    for (struct child *child = supervisor->children; child != NULL; child = child->next)
        if (!child->is_leaving)
            child_drain(child, core_of(supervisor)->shutdown_timeout_ms);
}

/* Resizing a terminal sends WINCH too: it only counts where there is none. */
static bool has_terminal(const struct supervisor *supervisor)
{
    int fd = supervisor->is_daemon ? -1 : open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* What it means now: ", reconfiguring"; NULL: nothing. */
static const char *signal_meaning(const struct supervisor *supervisor, int number)
{
    bool is_running = supervisor->phase == PHASE_RUNNING;

    switch (number) {
    case SIGHUP:
        return is_running ? ", reconfiguring" : NULL;
    case SIGUSR1:
        return ", reopening logs";
    case SIGUSR2:
        return is_running && !is_being_upgraded(supervisor) ? ", changing binary" : NULL;
    case SIGWINCH:
        return is_running && !has_terminal(supervisor) ? ", stop accepting connections" : NULL;
    case SIGQUIT:
        return is_running ? ", shutting down" : NULL;
    case SIGTERM:
    case SIGINT:
        return ", exiting";
    case SIGCHLD:
        return "";
    default:
        return NULL;
    }
}

static void signal_act(struct supervisor *supervisor, int number)
{
    if (number == SIGHUP) {
        supervisor->must_reload = true;
        supervisor->is_resting = false;
    } else if (number == SIGUSR1) {
        supervisor->must_reopen = true;
    } else if (number == SIGUSR2) {
        upgrade_begin(supervisor);
    } else if (number == SIGWINCH) {
        rest_begin(supervisor);
    } else if (number == SIGQUIT) {
        quit_begin(supervisor);
    } else if (number != SIGCHLD) {
        stop_begin(supervisor);
    }
}

static void signals_take(struct supervisor *supervisor)
{
    struct signal_news news;

    while (signals_read(supervisor->signal_fd, &news) == 0) {
        const char *meaning = signal_meaning(supervisor, news.number);

        log_at(LOG_NOTICE, NULL, "signal %d (%s) received from %d%s", news.number,
               signal_name(news.number), (int)news.sender, meaning == NULL ? ", ignored" : meaning);
        if (meaning != NULL)
            signal_act(supervisor, news.number);
    }
}

/* ---- workers ---- */

static void child_is_ready(struct supervisor *supervisor, struct child *child, uint32_t number)
{
    child->is_ready = true;
    child->unanswered = 0;
    if (supervisor->phase == PHASE_RUNNING) {
        if (!supervisor->has_served)
            notify_ready();
        daemon_is_up();
    }
    supervisor->has_served = true;
    if (supervisor->pending != NULL && number == supervisor->pending->number)
        pending_promote(supervisor);
}

static void child_refused(struct supervisor *supervisor, struct child *child,
                          const struct message *message)
{
    if (supervisor->pending != NULL && message->number == supervisor->pending->number)
        pending_drop(supervisor, message->reason);
    else
        log_at(LOG_ERROR, NULL, "worker process %d refuses the configuration: %s", (int)child->pid,
               message->reason);
    child->asked = supervisor->good->number;
}

static void child_hear(struct supervisor *supervisor, struct child *child)
{
    struct message message;
    int            error;

    while ((error = channel_receive(child->channel, &message)) == 0) {
        message_close_fds(&message);
        if (message.kind == MESSAGE_READY)
            child_is_ready(supervisor, child, message.number);
        else if (message.kind == MESSAGE_REFUSED)
            child_refused(supervisor, child, &message);
        else if (message.kind == MESSAGE_PONG)
            child->unanswered = 0;
    }
    if (error == -EAGAIN)
        return;
    /* Gone, or talking nonsense: in both cases its end is what we wait for now. */
    (void)close(child->channel);
    child->channel = -1;
    child->is_ready = false;
    child->has_ended = child->pid == 0;
    if (child->pid != 0 && child->kill_ms == 0)
        child->kill_ms = clock_mono_ms() + CHILD_STOP_MS;
}

/* Whoever started us is still at the terminal. */
static void give_up_report(const struct supervisor *supervisor)
{
    struct report report = { .is_for_people = !supervisor->good->log.is_stderr, .has_log = true };

    report_line(&report, LOG_EMERG, "no worker process comes up, giving up");
}

/* A worker that somebody kills before it is ready says nothing about the next one. */
static bool was_killed(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void child_lost(struct supervisor *supervisor, const struct child *child, int status)
{
    if (supervisor->pending != NULL && child->asked == supervisor->pending->number)
        pending_drop(supervisor, "the worker ended");
    if (supervisor->phase != PHASE_RUNNING || supervisor->is_resting)
        return;
    restarts_note(&supervisor->restarts, clock_mono_ms());
    if (!supervisor->has_served && !was_killed(status) &&
        restarts_are_too_many(&supervisor->restarts)) {
        give_up_report(supervisor);
        supervisor->phase = PHASE_STOPPING;
        supervisor->status = 1;
    }
}

static void child_ended(struct supervisor *supervisor, struct child *child, int status)
{
    struct child **at = &supervisor->children;
    bool           was_leaving = child->is_leaving;

    while (*at != child)
        at = &(*at)->next;
    *at = child->next;
    (void)child_report_end(child, status);
    if (!was_leaving)
        child_lost(supervisor, child, status);
    child_free(&child);
}

static void children_reap(struct supervisor *supervisor)
{
    int   status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *child = supervisor->children;

        while (child != NULL && child->pid != pid)
            child = child->next;
        if (child != NULL)
            child_ended(supervisor, child, status);
        else if (pid == supervisor->upgrade)
            upgrade_ended(supervisor, status);
    }
}

/* With master_process off: the only worker is a thread, and its end is ours. */
static void threads_join(struct supervisor *supervisor)
{
    struct child *child = supervisor->children;

    if (child == NULL || !child->has_ended)
        return;
    (void)pthread_join(child->thread, NULL);
    supervisor->status = child->thread_status;
    supervisor->phase = PHASE_STOPPING;
    supervisor->children = NULL;
    child_free(&child);
}

static void child_begin(struct supervisor *supervisor)
{
    struct child *child = child_start(supervisor->good, supervisor->tickets,
                                      core_of(supervisor)->has_master);

    if (child == NULL) {
        restarts_hold(&supervisor->restarts, clock_mono_ms());
        return;
    }
    child->next = supervisor->children;
    supervisor->children = child;
}

/* ---- the loop ---- */

/* Nothing is on its way to a worker that would have to arrive first. */
static bool is_settled(const struct supervisor *supervisor)
{
    const struct child *child = serving_child(supervisor);

    return supervisor->pending == NULL && (child == NULL || child->is_ready);
}

static int64_t tickets_tend(struct supervisor *supervisor, int64_t now_ms)
{
    int64_t period_ms = core_of(supervisor)->ticket_rotate_ms;

    if (supervisor->tickets == NULL)
        return INT64_MAX;
    if (ticket_keys_rotate(supervisor->tickets, period_ms, now_ms))
        for (struct child *child = supervisor->children; child != NULL; child = child->next)
            child_send_tickets(child, supervisor->tickets);
    return ticket_keys_due_ms(supervisor->tickets, period_ms);
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* Brings what is to what is wanted; returns when to look again. */
static int64_t tend(struct supervisor *supervisor)
{
    int64_t now_ms = clock_mono_ms(), next_ms = INT64_MAX;
    bool    is_running = supervisor->phase == PHASE_RUNNING;

    if (is_running && supervisor->must_reload && is_settled(supervisor))
        reload(supervisor);
    if (is_running && is_settled(supervisor) &&
        certificate_watch_look(&supervisor->watch, supervisor->good, now_ms))
        certificates_renew(supervisor);
    if (supervisor->must_reopen && is_settled(supervisor))
        logs_reopen(supervisor);
    if (is_running && !supervisor->is_resting && serving_child(supervisor) == NULL) {
        next_ms = restarts_when_ms(&supervisor->restarts);
        if (now_ms >= next_ms)
            child_begin(supervisor);
    }
    for (struct child *child = supervisor->children; child != NULL; child = child->next)
        next_ms = earlier(next_ms, child_watch(child, now_ms));
    if (is_running && is_settled(supervisor))
        next_ms = earlier(next_ms, certificate_watch_due_ms(&supervisor->watch, supervisor->good));
    return earlier(next_ms, tickets_tend(supervisor, now_ms));
}

static int wait_ms(int64_t until_ms)
{
    int64_t left = until_ms == INT64_MAX ? -1 : until_ms - clock_mono_ms();

    return until_ms == INT64_MAX ? -1 : left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void news_wait(struct supervisor *supervisor, int timeout_ms)
{
    struct pollfd polls[1 + CHILDREN_MOST] = { { .fd = supervisor->signal_fd, .events = POLLIN } };
    struct child *heard[1 + CHILDREN_MOST] = { NULL };
    unsigned      count = 1;

    for (struct child *child = supervisor->children; child != NULL && count <= CHILDREN_MOST;
         child = child->next) {
        if (child->channel < 0)
            continue;
        polls[count] = (struct pollfd){ .fd = child->channel, .events = POLLIN };
        heard[count++] = child;
    }
    if (poll(polls, count, timeout_ms) <= 0)
        return;
    /* What a worker said before it died counts, so it is heard before its end is. */
    for (unsigned i = 1; i < count; i++)
        if (polls[i].revents != 0)
            child_hear(supervisor, heard[i]);
    if (polls[0].revents != 0)
        signals_take(supervisor);
}

static bool is_over(const struct supervisor *supervisor)
{
    return supervisor->phase != PHASE_RUNNING && supervisor->children == NULL;
}

static void supervise(struct supervisor *supervisor)
{
    while (!is_over(supervisor)) {
        news_wait(supervisor, wait_ms(tend(supervisor)));
        children_reap(supervisor);
        threads_join(supervisor);
    }
}

/* ---- beginning and end ---- */

static struct generation *first_gather(struct supervisor *supervisor, const struct report *report)
{
    struct bundle   *inherited = bundle_new(&supervisor->options->config, false);
    struct gathering gathering = { .options = &supervisor->options->config, .report = report,
                                   .purpose = LISTENERS_START, .former = inherited };
    unsigned         count;

    listeners_inherit(inherited, report, &count);
    if (count > 0)
        supervisor->parent = getppid();
    supervisor->good = generation_gather(&gathering);
    bundle_free(&inherited);
    return supervisor->good;
}

static int begin(struct supervisor *supervisor, const struct report *report)
{
    int error;

    if (first_gather(supervisor, report) == NULL)
        return -1;
    supervisor->is_daemon = core_of(supervisor)->is_daemon;
    if (supervisor->is_daemon && supervisor->parent == 0) {
        error = daemon_begin();
        if (error < 0) {
            report_line(report, LOG_EMERG, "fork() failed %s", log_errno(-error).text);
            return error;
        }
    }
    main_log_open(&supervisor->good->log, core_of(supervisor), supervisor->good->bundle);
    supervisor->tickets = ticket_keys_new(clock_mono_ms());
    return 0;
}

/* Whoever waits for the pid file finds sockets that listen and a worker. */
static void first_worker_begin(struct supervisor *supervisor, const struct report *report)
{
    struct text path = core_of(supervisor)->pid_path;
    int         error;

    child_begin(supervisor);
    error = pid_file_write(path, getpid());
    if (error == 0)
        return;
    report_line(report, LOG_EMERG, "open() \"%.*s\" failed %s", TEXT_ARGS(path),
                log_errno(-error).text);
    supervisor->status = 1;
    stop_begin(supervisor);
}

static void end(struct supervisor *supervisor)
{
    pid_file_remove(core_of(supervisor)->pid_path, getpid());
    control_remove(supervisor->good);
    if (!is_being_upgraded(supervisor))
        listeners_unlink(&supervisor->good->config->site, NULL);
    log_at(LOG_NOTICE, NULL, "exit");
}

int supervisor_run(const struct options *options, const struct report *report)
{
    struct supervisor supervisor = { .options = options };

    if (signals_open(&supervisor.signal_fd) < 0)
        return 1;
    if (begin(&supervisor, report) < 0) {
        generation_abandon(&supervisor.good, NULL);
        return 1;
    }
    if (core_of(&supervisor)->has_master)
        title_set_master();
    log_at(LOG_NOTICE, NULL, "frontdesk/" FRONTDESK_VERSION " with %u event loops",
           supervisor.good->loop_count);
    first_worker_begin(&supervisor, report);
    supervise(&supervisor);
    end(&supervisor);
    generation_free(&supervisor.pending);
    generation_free(&supervisor.good);
    ticket_keys_free(&supervisor.tickets);
    (void)close(supervisor.signal_fd);
    return supervisor.status;
}
