// SPDX-License-Identifier: MIT
/* Error log lines in nginx's form, each built on the stack and written whole. Messages may carry what
 * a client or peer sent, so everything after the prefix is escaped: one event stays one line. errno
 * is left as it was, for callers that log before they look at it. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>

#include "base/clock.h"

static const char *const level_names[] = { "debug", "info",  "notice", "warn",
                                           "error", "crit",  "alert",  "emerg" };

static const struct log standard_error = { .level = LOG_NOTICE, .write = log_write_fd,
                                           .target = (void *)(intptr_t)STDERR_FILENO };

static thread_local const struct log *used;

void log_use(const struct log *log)
{
    used = log;
}

const struct log *log_used(void)
{
    return used != NULL ? used : &standard_error;
}

void log_write_fd(void *target, enum log_level level, struct text line)
{
    (void)level;
    (void)!write((int)(intptr_t)target, line.ptr, line.len);
}

static bool is_shown_in(const struct log *log, enum log_level level)
{
    for (; log != NULL; log = log->next)
        if (level >= log->level)
            return true;
    return false;
}

bool log_is_shown(enum log_level level)
{
    return is_shown_in(log_used(), level);
}

/* Hostile bytes must not make a second line, or a terminal do things. */
static void write_escaped(struct writer *writer, struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x20 || c == 0x7f)
            writer_format(writer, "\\x%02X", c);
        else
            writer_char(writer, (char)c);
    }
}

static void write_connection(struct writer *writer, const struct log_scope *scope)
{
    for (; scope != NULL; scope = scope->outer)
        if (scope->connection > 0) {
            writer_format(writer, "*%llu ", (unsigned long long)scope->connection);
            return;
        }
}

/* Outermost first. */
static void write_description(struct writer *writer, const struct log_scope *scope)
{
    if (scope == NULL)
        return;
    write_description(writer, scope->outer);
    if (scope->describe != NULL)
        scope->describe(scope, writer);
}

/* The message as it came, cut at the buffer's end. */
static PRINTF_LIKE(3, 0) struct writer
    write_message(char *buffer, size_t size, const char *format, va_list args)
{
    struct writer writer = writer_fixed(buffer, size);
    int           len = vsnprintf(buffer, size, format, args);

    must(len >= 0);
    writer_skip(&writer, (size_t)len < size ? (size_t)len : size - 1);
    return writer;
}

static PRINTF_LIKE(4, 0) void send_line(const struct log *log, enum log_level level,
                                        const struct log_scope *scope, const char *format,
                                        va_list args)
{
    int           saved_errno = errno;
    char          plain[LOG_LINE_BYTES], line[LOG_LINE_BYTES];
    struct writer message = write_message(plain, sizeof(plain), format, args);
    struct writer writer = writer_fixed(line, sizeof(line) - 1);
    struct text   date = clock_error_date(clock_wall_ms());

    writer_format(&writer, "%.*s [%s] %d#%d: ", TEXT_ARGS(date), level_names[level], (int)getpid(),
                  (int)gettid());
    write_connection(&writer, scope);
    write_description(&message, scope);
    write_escaped(&writer, writer_done(&message));
    line[writer.len++] = '\n';
    for (; log != NULL; log = log->next)
        if (level >= log->level)
            log->write(log->target, level, writer_done(&writer));
    errno = saved_errno;
}

void log_at(enum log_level level, const struct log_scope *scope, const char *format, ...)
{
    va_list args;

    if (!is_shown_in(log_used(), level))
        return;
    va_start(args, format);
    send_line(log_used(), level, scope, format, args);
    va_end(args);
}

void log_to(const struct log *log, enum log_level level, const struct log_scope *scope,
            const char *format, ...)
{
    va_list args;

    if (!is_shown_in(log, level))
        return;
    va_start(args, format);
    send_line(log, level, scope, format, args);
    va_end(args);
}

void log_plain(enum log_level level, const char *format, ...)
{
    int           saved_errno = errno;
    char          plain[LOG_LINE_BYTES], line[LOG_LINE_BYTES];
    struct writer message, writer = writer_fixed(line, sizeof(line) - 1);
    va_list       args;

    va_start(args, format);
    message = write_message(plain, sizeof(plain), format, args);
    va_end(args);
    writer_format(&writer, "frontdesk: [%s] ", level_names[level]);
    write_escaped(&writer, writer_done(&message));
    line[writer.len++] = '\n';
    (void)!write(STDERR_FILENO, line, writer.len);
    errno = saved_errno;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

int log_level_parse(struct text name, enum log_level *ret_level)
{
    for (int i = LOG_DEBUG; i <= LOG_EMERG; i++)
        if (text_is_equal(name, text_from(level_names[i]))) {
            *ret_level = (enum log_level)i;
            return 0;
        }
    return -EINVAL;
}

struct log_errno log_errno(int error)
{
    struct log_errno result;
    char             buffer[64];
    const char      *words = strerror_r(error, buffer, sizeof(buffer));

    (void)snprintf(result.text, sizeof(result.text), "(%d: %s)", error, words);
    return result;
}
