// SPDX-License-Identifier: MIT
/* The supervisor writes its own few lines itself; the worker's go through sinks on the same files,
 * which works because everything is opened with O_APPEND. */
#include "main/log_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "main/directories.h"

enum {
    PATH_BYTES = 4096,
    LOG_FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
};

static bool is_stderr(struct text path)
{
    return text_is_equal(path, TEXT("stderr"));
}

/* A pipe without a reader must not hold us up: O_NONBLOCK means nothing to a plain file. */
static int file_open(struct text path, struct text prefix)
{
    char name[PATH_BYTES];
    int  fd;

    if (is_stderr(path)) {
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    } else {
        if (path.len >= sizeof(name))
            return -ENAMETOOLONG;
        (void)snprintf(name, sizeof(name), "%.*s", TEXT_ARGS(path));
        fd = open(name, LOG_FLAGS, 0644);
        /* A fresh machine has no "logs" for us yet, which should not stop a first start; a missing
         * place elsewhere is more likely a mistake. */
        if (fd < 0 && errno == ENOENT && text_has_prefix(path, prefix) &&
            directory_make_for(path, 0755) == 0)
            fd = open(name, LOG_FLAGS, 0644);
    }
    return fd < 0 ? -errno : fd;
}

static int file_open_reported(const struct log_file *file, const struct bundle *bundle,
                              const struct report *report)
{
    int fd = -1, error;

    if (file->kind == LOG_TO_SYSLOG) {
        error = syslog_open(&file->syslog, &fd);
        if (error < 0)
            report_line(report, LOG_EMERG, "socket() for \"%.*s\" failed %s", TEXT_ARGS(file->path),
                        log_errno(-error).text);
        return error < 0 ? error : fd;
    }
    fd = file_open(file->path, bundle->options.prefix);
    if (fd < 0)
        report_line(report, LOG_EMERG, "open() \"%.*s\" failed %s", TEXT_ARGS(file->path),
                    log_errno(-fd).text);
    return fd;
}

int log_files_open(const struct site *site, const struct report *report, struct bundle *bundle)
{
    int error = 0;

    for (const struct log_file *file = site->log_files; file != NULL; file = file->next) {
        int fd;

        if (file->kind == LOG_TO_NAMED)
            continue;
        fd = file_open_reported(file, bundle, report);
        if (fd < 0)
            error = fd;
        else
            bundle_add_fd(bundle, "log", file->path, fd);
    }
    return error;
}

/* ---- reopening ---- */

static struct bundle_fd *log_find(struct bundle *bundle, struct text path)
{
    for (struct bundle_fd *at = bundle->fds; at != NULL; at = at->next)
        if (text_is_equal(at->kind, TEXT("log")) && text_is_equal(at->name, path))
            return at;
    return NULL;
}

static void send_full(struct message *message, unsigned most,
                      void (*send)(void *to, const struct message *message), void *to)
{
    if (message->fd_count < most)
        return;
    send(to, message);
    message->fd_count = 0;
}

void log_files_reopen(const struct site *site, const struct report *report, struct bundle *bundle,
                      void (*send)(void *to, const struct message *message), void *to)
{
    struct message message = { .kind = MESSAGE_REOPEN };
    uint32_t       place = 0;

    for (const struct log_file *file = site->log_files; file != NULL; file = file->next, place++) {
        struct bundle_fd *held = log_find(bundle, file->path);
        int               fd = -ENOENT;

        if (held != NULL && file->kind == LOG_TO_FILE)
            fd = file_open_reported(file, bundle, report);
        if (fd < 0)
            continue;
        /* The number stays, so that the supervisor's own log follows too. */
        (void)dup3(fd, held->fd, O_CLOEXEC);
        (void)close(fd);
        message.fds[message.fd_count] = held->fd;
        message.places[message.fd_count++] = place;
        send_full(&message, MESSAGE_FDS_MOST, send, to);
    }
    send_full(&message, 1, send, to);
}

/* ---- the supervisor's own ---- */

/* A syslog server as target. */
struct syslog_target {
    int           fd;
    struct syslog syslog;
};

static void write_syslog(void *target, enum log_level level, struct text line)
{
    const struct syslog_target *to = target;
    char                        message[SYSLOG_HEAD_BYTES + LOG_LINE_BYTES];
    struct writer               writer = writer_fixed(message, sizeof(message));

    writer_skip(&writer, syslog_head(&to->syslog, (int)level, message));
    writer_text(&writer, text_part(line, 0, text_find(line, '\n')));
    (void)!syslog_send(&to->syslog, to->fd, writer_done(&writer));
}

static struct log *log_to_syslog(struct arena *arena, const struct log_file *file, int fd)
{
    struct syslog_target *target = ARENA_NEW(arena, struct syslog_target);
    struct log           *log = ARENA_NEW(arena, struct log);

    *target = (struct syslog_target){ .fd = fd, .syslog = file->syslog };
    *log = (struct log){ .write = write_syslog, .target = target };
    return log;
}

static struct log *log_to_file(struct arena *arena, int fd)
{
    struct log *log = ARENA_NEW(arena, struct log);

    *log = (struct log){ .write = log_write_fd, .target = (void *)(intptr_t)fd };
    return log;
}

int main_log_fd(const struct log *log)
{
    return log->write == write_syslog ? ((const struct syslog_target *)log->target)->fd
                                      : (int)(intptr_t)log->target;
}

void main_log_open(struct main_log *main_log, const struct core *core, const struct bundle *bundle)
{
    struct log **end = &main_log->first;

    *main_log = (struct main_log){ .arena = arena_new(), .is_stderr = true };
    for (const struct error_log *at = core->error_log; at != NULL; at = at->next) {
        int         fd = bundle_fd(bundle, "log", at->file->path);
        struct log *log;

        if (fd < 0)
            continue;
        log = at->file->kind == LOG_TO_SYSLOG ? log_to_syslog(main_log->arena, at->file, fd)
                                              : log_to_file(main_log->arena, fd);
        log->level = at->level;
        main_log->is_stderr &= is_stderr(at->file->path);
        *end = log;
        end = (struct log **)&log->next;
    }
    log_use(main_log->first);
}

void main_log_close(struct main_log *main_log)
{
    if (log_used() == main_log->first)
        log_use(NULL);
    arena_free(&main_log->arena);
    main_log->first = NULL;
}
