// SPDX-License-Identifier: MIT
/* The configuration is read to learn where the pid file is; nothing is opened or made. */
#include "main/tell.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "config/bundle.h"
#include "main/pid_file.h"

static int signal_number(struct text name)
{
    if (text_is_equal(name, TEXT("quit")))
        return SIGQUIT;
    if (text_is_equal(name, TEXT("reopen")))
        return SIGUSR1;
    return text_is_equal(name, TEXT("reload")) ? SIGHUP : SIGTERM;
}

static int process_tell(const struct report *report, struct text path, int number)
{
    pid_t pid;
    int   error = pid_file_read(path, &pid);

    if (error == -EINVAL)
        report_line(report, LOG_ERROR, "invalid PID number \"\" in \"%.*s\"", TEXT_ARGS(path));
    else if (error < 0)
        report_line(report, LOG_ERROR, "open() \"%.*s\" failed %s", TEXT_ARGS(path),
                    log_errno(-error).text);
    else if (kill(pid, number) < 0)
        report_line(report, LOG_ERROR, "kill(%d, %d) failed %s", (int)pid, number,
                    log_errno(errno).text);
    else
        return 0;
    return 1;
}

int tell_run(const struct options *options, const struct report *report)
{
    struct bundle   *bundle = bundle_new(&options->config, true);
    struct arena    *arena = arena_new();
    struct config   *config;
    struct diagnoses diagnoses;
    int              status = 1;

    diagnoses_init(&diagnoses, arena);
    config = config_load(&bundle->source, &options->config, &diagnoses);
    if (config == NULL)
        report_diagnoses(report, &diagnoses);
    else
        status = process_tell(report, config->core.pid_path, signal_number(options->signal));
    config_free(&config);
    bundle_free(&bundle);
    arena_free(&arena);
    return status;
}
