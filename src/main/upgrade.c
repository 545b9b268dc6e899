// SPDX-License-Identifier: MIT
/* The new binary is looked for where the old one was called, as an absolute path, since by then the
 * working directory may be another; a name without a slash stands for the running file. */
#include "main/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "main/listeners.h"
#include "main/signals.h"

static struct {
    char         path[4096];
    char *const *argv;
} binary;

void upgrade_init(char *const argv[])
{
    char    directory[2048] = "";
    ssize_t len;

    binary.argv = argv;
    if (argv[0] == NULL)
        return;
    if (argv[0][0] != '/' && strchr(argv[0], '/') != NULL &&
        getcwd(directory, sizeof(directory)) != NULL)
        (void)snprintf(binary.path, sizeof(binary.path), "%s/%s", directory, argv[0]);
    else
        (void)snprintf(binary.path, sizeof(binary.path), "%s", argv[0]);
    if (strchr(binary.path, '/') != NULL)
        return;
    len = readlink("/proc/self/exe", binary.path, sizeof(binary.path) - 1);
    binary.path[len > 0 ? len : 0] = '\0';
}

static void tickets_keep_open(int fd)
{
    char number[16];

    if (fd < 0)
        return;
    (void)fcntl(fd, F_SETFD, 0);
    (void)snprintf(number, sizeof(number), "%d", fd);
    (void)setenv(TICKET_KEYS_VARIABLE, number, 1);
}

static _Noreturn void become(const struct bundle *bundle, const char *value, int tickets_fd)
{
    tickets_keep_open(tickets_fd);
    listeners_keep_open(bundle);
    (void)setenv(LISTENERS_VARIABLE, value, 1);
    signals_restore();
    (void)execv(binary.path, binary.argv);
    log_at(LOG_ERROR, NULL, "execve() failed while executing new binary process \"%s\" %s",
           binary.path, log_errno(errno).text);
    _exit(1);
}

/* Before the fork: in the child there are none. */
static int tickets_copy(const struct ticket_keys *tickets)
{
    int fd, error = tickets == NULL ? -ENOENT : ticket_keys_to_fd(tickets, &fd);

    if (error < 0)
        log_at(LOG_WARN, NULL, "the new binary gets no keys of session tickets %s",
               log_errno(-error).text);
    return error < 0 ? -1 : fd;
}

pid_t upgrade_start(const struct bundle *bundle, const struct ticket_keys *tickets)
{
    struct arena *arena = arena_new();
    const char   *value = arena_string(arena, listeners_write(bundle, arena));
    int           tickets_fd = tickets_copy(tickets);
    pid_t         pid = fork();

    if (pid == 0)
        become(bundle, value, tickets_fd);
    if (tickets_fd >= 0)
        (void)close(tickets_fd);
    arena_free(&arena);
    return pid < 0 ? -errno : pid;
}
