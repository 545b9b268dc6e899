// SPDX-License-Identifier: MIT
/* Preloaded into the binary under test: a disk that takes SLOW_SYNC_MS to sync a segment of the cache, and
 * with SLOW_SYNC_FAILS cannot; that writes SLOW_WRITE_KB a second to it. Other files are left alone. */
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

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    const char *kb = getenv("SLOW_WRITE_KB");

    if (kb != NULL && is_segment(fd))
        usleep((useconds_t)(len * 1000 / (unsigned)atoi(kb)));
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return pwrite64(fd, bytes, len, at);
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
