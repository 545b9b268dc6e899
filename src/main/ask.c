// SPDX-License-Identifier: MIT
/* Lines go to standard output as they come, progress and errors to standard error. */
#include "main/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/bundle.h"
#include "main/about.h"
#include "main/cache_command.h"
#include "main/control.h"
#include "main/report.h"
#include "net/address.h"

enum { SILENCE_MOST_MS = 3 * CONTROL_IDLE_MS };

static int complain(const char *format, ...) PRINTF_LIKE(1, 2);

static int complain(const char *format, ...)
{
    va_list values;

    (void)fflush(stdout);
    (void)fputs("frontdesk: ", stderr);
    va_start(values, format);
    (void)vfprintf(stderr, format, values);
    va_end(values);
    (void)fputc('\n', stderr);
    return 1;
}

/* ---- where it is ---- */

static int path_of_configuration(const struct options *options, struct arena *arena,
                                 struct text *ret_path)
{
    const struct report report = { .is_for_people = true, .is_quiet = true };
    struct bundle      *bundle = bundle_new(&options->config, true);
    struct config      *config;
    struct diagnoses    diagnoses;

    diagnoses_init(&diagnoses, arena);
    config = config_load(&bundle->source, &options->config, &diagnoses);
    if (config == NULL)
        report_diagnoses(&report, &diagnoses);
    else
        *ret_path = arena_copy(arena, config->core.control_path);
    bundle_free(&bundle);
    if (config == NULL)
        return complain("without it the control socket can only be told with --socket PATH");
    config_free(&config);
    if (ret_path->len == 0)
        return complain("the configuration says \"control_socket off\"");
    return 0;
}

static int connect_fail(struct text path, int error)
{
    struct log_errno reason = log_errno(error);

    if (error == ENOENT || error == ECONNREFUSED)
        return complain("no frontdesk is running that listens on %.*s %s; does it have another "
                        "configuration (-c), or another place (--socket)?",
                        TEXT_ARGS(path), reason.text);
    if (error == EACCES || error == EPERM)
        return complain("permission denied for %.*s: only root and the user that started "
                        "frontdesk may do this",
                        TEXT_ARGS(path));
    return complain("%.*s cannot be reached %s", TEXT_ARGS(path), reason.text);
}

/* 0 or an exit status. */
static int socket_reach(struct text path, int *ret_fd)
{
    struct address address;
    int            fd, error;

    if (address_parse_unix(path, &address) < 0)
        return complain("the path of the control socket is too long: %.*s", TEXT_ARGS(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &address.raw.any, address.len) < 0) {
        error = errno;
        if (fd >= 0)
            (void)close(fd);
        return connect_fail(path, error);
    }
    *ret_fd = fd;
    return 0;
}

/* ---- the answer ---- */

struct answer {
    struct arena *arena;
    char          line[CONTROL_LINE_MOST * 2];
    size_t        len;
    bool          is_over;
    int           status;
};

static void line_print(struct answer *answer, struct text line)
{
    const struct text error = TEXT("error: "), progress = TEXT("progress: ");

    if (text_is_equal(line, TEXT("ok"))) {
        answer->is_over = true;
    } else if (text_has_prefix(line, error)) {
        answer->is_over = true;
        line = text_from_offset(line, error.len);
        answer->status = complain("%.*s", TEXT_ARGS(line));
    } else if (text_has_prefix(line, progress)) {
        line = text_from_offset(line, progress.len);
        (void)complain("%.*s", TEXT_ARGS(line));
    } else {
        (void)printf("%.*s\n", TEXT_ARGS(line));
    }
}

static void lines_print(struct answer *answer)
{
    struct text rest = text_of(answer->line, answer->len);
    size_t      end;

    while (!answer->is_over && (end = text_find(rest, '\n')) < rest.len) {
        line_print(answer, text_part(rest, 0, end));
        rest = text_from_offset(rest, end + 1);
    }
    memmove(answer->line, rest.ptr, rest.len);
    answer->len = rest.len;
}

static int answer_print(int fd, struct answer *answer)
{
    struct pollfd news = { .fd = fd, .events = POLLIN };

    while (!answer->is_over) {
        ssize_t len;

        if (answer->len == sizeof(answer->line))
            return complain("a line of the answer is too long");
        if (poll(&news, 1, SILENCE_MOST_MS) == 0)
            return complain("frontdesk has said nothing for %d s", SILENCE_MOST_MS / 1000);
        len = read(fd, answer->line + answer->len, sizeof(answer->line) - answer->len);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return complain("the answer has no end: frontdesk has stopped or was started anew");
        answer->len += (size_t)len;
        lines_print(answer);
    }
    if (fflush(stdout) != 0)
        return complain("the answer could not be written %s", log_errno(errno).text);
    return answer->status;
}

static void line_send(int fd, struct text line)
{
    while (line.len > 0) {
        ssize_t len = send(fd, line.ptr, line.len, MSG_NOSIGNAL);

        if (len < 0 && errno == EINTR)
            continue;
        /* Whoever does not want it has said why. */
        if (len < 0)
            return;
        line = text_from_offset(line, (size_t)len);
    }
}

static int ask(const struct options *options, struct arena *arena, struct text line)
{
    struct answer *answer = ARENA_NEW(arena, struct answer);
    struct text    path = options->socket;
    int            fd, status = 0;

    if (path.len == 0)
        status = path_of_configuration(options, arena, &path);
    if (status == 0)
        status = socket_reach(path, &fd);
    if (status != 0)
        return status;
    line_send(fd, arena_format(arena, "%.*s\n", TEXT_ARGS(line)));
    status = answer_print(fd, answer);
    (void)close(fd);
    return status;
}

int ask_run(const struct options *options, struct arena *arena)
{
    const struct control_line *asked = &options->asked;
    bool                       is_cache = text_is_equal(asked->words[0], TEXT("cache"));
    struct text                line, message;
    const char                *why;

    if (options->is_help) {
        is_cache ? cache_command_help() : about_help();
        return 0;
    }
    if (is_cache && cache_command_check(asked, arena, &message) < 0)
        return complain("%.*s%s`frontdesk cache --help` tells more", TEXT_ARGS(message),
                        text_has_suffix(message, TEXT("?")) ? " " : "; ");
    if (control_line_write(asked, arena, &line, &why) < 0)
        return complain("this cannot be sent: %s", why);
    return ask(options, arena, line);
}
