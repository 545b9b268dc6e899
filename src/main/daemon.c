// SPDX-License-Identifier: MIT
/* A pipe between the two: a byte means up, its end without one means that the start failed. */
#include "main/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int up_fd = -1;

static _Noreturn void wait_for_it(int fd)
{
    char    byte;
    ssize_t len;

    do
        len = read(fd, &byte, 1);
    while (len < 0 && errno == EINTR);
    _exit(len == 1 ? 0 : 1);
}

static void turn_to_null(int fd, int flags)
{
    int null = open("/dev/null", flags | O_CLOEXEC);

    if (null < 0)
        return;
    (void)dup2(null, fd);
    (void)close(null);
}

int daemon_begin(void)
{
    int   ends[2];
    pid_t pid;

    (void)fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid > 0) {
        (void)close(ends[1]);
        wait_for_it(ends[0]);
    }
    (void)close(ends[0]);
    up_fd = ends[1];
    (void)setsid();
    (void)umask(0);
    turn_to_null(STDIN_FILENO, O_RDONLY);
    turn_to_null(STDOUT_FILENO, O_WRONLY);
    return 0;
}

void daemon_is_up(void)
{
    if (up_fd < 0)
        return;
    (void)!write(up_fd, "", 1);
    (void)close(up_fd);
    up_fd = -1;
    daemon_let_go_stderr();
}

void daemon_let_go_stderr(void)
{
    turn_to_null(STDERR_FILENO, O_WRONLY);
}
