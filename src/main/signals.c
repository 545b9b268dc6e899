// SPDX-License-Identifier: MIT
/* The set is the same for supervisor and worker; each ignores what is not for it. */
#include "main/signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct {
    int         number;
    const char *name;
} watched[] = {
    { SIGHUP, "SIGHUP" },     { SIGINT, "SIGINT" },   { SIGQUIT, "SIGQUIT" },
    { SIGUSR1, "SIGUSR1" },   { SIGUSR2, "SIGUSR2" }, { SIGTERM, "SIGTERM" },
    { SIGWINCH, "SIGWINCH" }, { SIGCHLD, "SIGCHLD" },
};

enum { WATCHED = sizeof(watched) / sizeof(watched[0]) };

static sigset_t watched_set(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (int i = 0; i < WATCHED; i++)
        sigaddset(&set, watched[i].number);
    return set;
}

int signals_open(int *ret_fd)
{
    sigset_t set = watched_set();
    int      fd;

    /* Who started us may ignore some, and that is inherited: children would vanish unseen. */
    for (int i = 0; i < WATCHED; i++)
        (void)signal(watched[i].number, SIG_DFL);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

int signals_read(int fd, struct signal_news *ret_news)
{
    struct signalfd_siginfo raw;
    ssize_t                 len = read(fd, &raw, sizeof(raw));

    if (len != sizeof(raw))
        return -EAGAIN;
    ret_news->number = (int)raw.ssi_signo;
    ret_news->sender = (pid_t)raw.ssi_pid;
    return 0;
}

void signals_restore(void)
{
    sigset_t set = watched_set();

    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

const char *signal_name(int number)
{
    for (int i = 0; i < WATCHED; i++)
        if (watched[i].number == number)
            return watched[i].name;
    return "?";
}
