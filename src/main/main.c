// SPDX-License-Identifier: MIT
/* The command line's action, and the log that there is before a configuration says where to log. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"
#include "config/directives_print.h"
#include "main/about.h"
#include "main/ask.h"
#include "main/check.h"
#include "main/directories.h"
#include "main/options.h"
#include "main/report.h"
#include "main/supervisor.h"
#include "main/tell.h"
#include "main/title.h"
#include "main/upgrade.h"

static int early_file_open(struct arena *arena, struct text path)
{
    int fd = open(arena_string(arena, path), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    return fd < 0 ? -errno : fd;
}

/* The default place may be missing on a machine where nothing was installed; then standard error
 * has to do. A place that was asked for is worth a complaint. */
static int early_log_open(struct arena *arena, struct options *options)
{
    struct text path = options->config.error_log;
    int         fd;

    if (text_is_equal(path, TEXT("stderr")))
        return -1;
    fd = early_file_open(arena, path);
    if (fd == -ENOENT && !options->has_error_log && directory_make_for(path, 0755) == 0)
        fd = early_file_open(arena, path);
    if (fd >= 0)
        return fd;
    if (options->has_error_log)
        log_plain(LOG_WARN, "could not open error log file: open() \"%.*s\" failed %s",
                  TEXT_ARGS(path), log_errno(-fd).text);
    else
        options->config.error_log = TEXT("stderr");
    return -1;
}

/* Without -c and without a file in the usual place somebody is here for the first time. */
static bool is_missing_first_steps(const struct options *options, struct arena *arena)
{
    if (options->has_path || access(arena_string(arena, options->config.path), F_OK) == 0)
        return false;
    (void)fprintf(stderr,
        "frontdesk: there is no configuration file %.*s\n"
        "\n"
        "To begin, put this into it (or into a file of yours, and start with -c FILE):\n"
        "\n"
        "    server {\n"
        "        listen 8080;\n"
        "        location / {\n"
        "            proxy_pass http://localhost:3000;\n"
        "        }\n"
        "    }\n"
        "\n"
        "Then `frontdesk -t` tests it and `frontdesk` starts.\n",
        TEXT_ARGS(options->config.path));
    return true;
}

/* nginx's rule for a relative -c surprises whoever stands beside the file. */
static void relative_path_explain(const struct options *options, struct arena *arena)
{
    struct text prefix = options->config.prefix;

    if (options->path_here.len == 0 ||
        access(arena_string(arena, options->config.path), F_OK) == 0 ||
        access(arena_string(arena, options->path_here), F_OK) < 0)
        return;
    (void)fprintf(stderr,
                  "frontdesk: a relative -c starts at the prefix %.*s; did you mean -c %.*s?\n",
                  TEXT_ARGS(prefix), TEXT_ARGS(options->path_here));
}

static int configuration_use(struct options *options, struct arena *arena)
{
    int           fd = early_log_open(arena, options), status;
    struct log    early = { .level = LOG_NOTICE, .write = log_write_fd,
                            .target = (void *)(intptr_t)fd };
    struct report report = { .is_for_people = true, .is_quiet = options->is_quiet,
                             .has_log = fd >= 0 };

    log_use(fd >= 0 ? &early : NULL);
    if (options->action == ACTION_TEST)
        status = check_run(options, &report);
    else if (options->action == ACTION_SIGNAL)
        status = tell_run(options, &report);
    else
        status = supervisor_run(options, &report);
    log_use(NULL);
    if (fd >= 0)
        (void)close(fd);
    return status;
}

static int act(struct options *options, struct arena *arena)
{
    switch (options->action) {
    case ACTION_HELP:
        about_help();
        return 0;
    case ACTION_VERSION:
        about_version();
        return 0;
    case ACTION_BUILD:
        about_build();
        return 0;
    case ACTION_DIRECTIVES:
        directives_print(stdout);
        return 0;
    case ACTION_ASK:
        if (options->socket.len > 0 || options->is_help)
            return ask_run(options, arena);
        break;
    case ACTION_RUN:
    case ACTION_TEST:
    case ACTION_SIGNAL:
        break;
    }
    if (is_missing_first_steps(options, arena))
        return 1;
    relative_path_explain(options, arena);
    if (options->action == ACTION_ASK)
        return ask_run(options, arena);
    return configuration_use(options, arena);
}

/* Started with some of the first three closed, a socket or a log would get their numbers, and what is
 * meant for people would be written there. */
static void first_descriptors_fill(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

int main(int argc, char **argv)
{
    struct arena  *arena = arena_new();
    struct options options;
    struct text    message;
    int            status;

    first_descriptors_fill();
    (void)mem_reserve();
    argv = title_init(argc, argv);
    upgrade_init(argv);
    if (options_parse(argc, argv, arena, &options, &message) < 0) {
        (void)fprintf(stderr, "frontdesk: %.*s\n", TEXT_ARGS(message));
        arena_free(&arena);
        return 1;
    }
    status = act(&options, arena);
    arena_free(&arena);
    pools_drain();
    return status;
}
