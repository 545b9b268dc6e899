// SPDX-License-Identifier: MIT
/* Preloaded into the binary under test: a loop that is late. Whoever reads bytes with "X-Stall: N" in
 * them sleeps for N milliseconds first, as if the turn had had so much to do. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char mark[] = "X-Stall: ";

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    ssize_t     n = syscall(SYS_recvfrom, fd, bytes, len, flags, NULL, NULL);
    const char *found = n > 0 ? memmem(bytes, (size_t)n, mark, sizeof(mark) - 1) : NULL;

    if (found != NULL)
        usleep((unsigned)atoi(found + sizeof(mark) - 1) * 1000);
    return n;
}

ssize_t __recv_chk(int fd, void *bytes, size_t len, size_t size, int flags)
{
    (void)size;
    return recv(fd, bytes, len, flags);
}
