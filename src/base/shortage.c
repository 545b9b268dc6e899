// SPDX-License-Identifier: MIT
/* The word and its bell. The bell is rung where malloc has just failed, so it is a system call on a
 * descriptor that is there already and nothing more. */
#include "base/shortage.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

atomic_uint shortage_causes;

static atomic_uint seen;
static atomic_int  bell = -1;

static void ring(void)
{
    const uint64_t one = 1;
    int            fd = atomic_load(&bell), saved = errno;

    if (fd >= 0)
        (void)!write(fd, &one, sizeof(one));
    errno = saved;
}

void shortage_begin(enum shortage cause)
{
    if (atomic_fetch_or(&shortage_causes, cause) & cause)
        return;
    atomic_fetch_or(&seen, cause);
    ring();
}

void shortage_end(enum shortage cause)
{
    if (atomic_fetch_and(&shortage_causes, ~(unsigned)cause) & cause)
        ring();
}

unsigned shortage_seen(void)
{
    return atomic_exchange(&seen, 0);
}

void shortage_bell(int fd)
{
    atomic_store(&bell, fd);
}
