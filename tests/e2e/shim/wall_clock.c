// SPDX-License-Identifier: MIT
/* Preloaded into the binary under test: a wall clock that the test sets. WALL_CLOCK names a file with the
 * seconds to add, as an int64 in the machine's order; it is mapped, so a change is seen at once by
 * all. CLOCK_MONOTONIC stays as it is. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_s;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("WALL_CLOCK");
    int         fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void       *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*offset_s), PROT_READ, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        abort();
    close(fd);
    offset_s = page;
}

int clock_gettime(clockid_t id, struct timespec *time)
{
    int r = (int)syscall(SYS_clock_gettime, id, time);

    if (r == 0 && offset_s != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        time->tv_sec += *offset_s;
    return r;
}

int gettimeofday(struct timeval *time, void *zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}
