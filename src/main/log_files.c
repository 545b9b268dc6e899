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

static int file_open_reported(struct text path, const struct bundle *bundle,
                              const struct report *report)
{
    int fd = file_open(path, bundle->options.prefix);

    if (fd < 0)
        report_line(report, LOG_EMERG, "open() \"%.*s\" failed %s", TEXT_ARGS(path),
                    log_errno(-fd).text);
    return fd;
}

int log_files_open(const struct site *site, const struct report *report, struct bundle *bundle)
{
    int error = 0;

    for (const struct log_file *file = site->log_files; file != NULL; file = file->next) {
        int fd = file_open_reported(file->path, bundle, report);

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

        if (held != NULL)
            fd = file_open_reported(file->path, bundle, report);
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

void main_log_open(struct main_log *main_log, const struct core *core, const struct bundle *bundle)
{
    struct log **end = &main_log->first;

    *main_log = (struct main_log){ .arena = arena_new(), .is_stderr = true };
    for (const struct error_log *at = core->error_log; at != NULL; at = at->next) {
        int         fd = bundle_fd(bundle, "log", at->file->path);
        struct log *log = ARENA_NEW(main_log->arena, struct log);

        if (fd < 0)
            continue;
        *log = (struct log){ .level = at->level,
                             .write = log_write_fd,
                             .target = (void *)(intptr_t)fd };
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
