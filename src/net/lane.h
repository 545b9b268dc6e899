// SPDX-License-Identifier: MIT
/* A kernel pipe that large plain bodies pass through with splice(), so that their bytes never enter
 * user space. Kept per thread and reused: making one costs two descriptors and system calls.
 * Owner: the pipe it hangs on. One thread. */
#ifndef NET_LANE_H
#define NET_LANE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct lane;

enum { LANE_BYTES = 256 * 1024 };        /* asked for; the kernel may give less */

/* NULL when descriptors are short: the caller then copies. */
struct lane *lane_open(void);
/* Gives it back, or closes it when bytes are left in it. NULL is fine. */
void         lane_close(struct lane **lane);
size_t       lane_fill(const struct lane *lane);     /* bytes inside; 0 for NULL */

/* Moves at most `most` bytes. Bytes moved, 0 at the end of the stream, -errno. -EAGAIN with bytes
 * inside may also mean that it is full; while memory is short it is so early. */
ssize_t lane_take(struct lane *lane, int from_fd, size_t most);
ssize_t lane_give(struct lane *lane, int to_fd, size_t most, int has_more);

/* The same from a file at an offset, whose pages should be in memory: a disk would block the loop. */
ssize_t lane_take_file(struct lane *lane, int from_fd, uint64_t offset, size_t most);

/* Closes the calling thread's resting lanes. */
void lanes_drain(void);

#endif
