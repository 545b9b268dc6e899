// SPDX-License-Identifier: MIT
/* Preloaded into the binary under test: a disk that takes SLOW_SYNC_MS to sync a segment of the cache, and
 * with SLOW_SYNC_FAILS cannot. Other files are left alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_segment(int fd)
{
    char    link[64], path[512];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n < 0 ? 0 : n] = '\0';
    return strstr(path, "/store/seg") != NULL;
}

int fdatasync(int fd)
{
    const char *ms = getenv("SLOW_SYNC_MS");

    if (is_segment(fd)) {
        if (ms != NULL)
            usleep(1000u * (unsigned)atoi(ms));
        if (getenv("SLOW_SYNC_FAILS") != NULL) {
            errno = EIO;
            return -1;
        }
    }
    return (int)syscall(SYS_fdatasync, fd);
}
