// SPDX-License-Identifier: MIT
/* Kernel pipes at rest are kept empty in a stack per thread. */
#include "net/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <threads.h>
#include <unistd.h>

#include "base/budget.h"
#include "base/mem.h"
#include "base/shortage.h"
#include "net/room.h"

enum { REST_MOST = 32, SHORT_BYTES = 16 * 1024 /* inside, while memory is short */ };

struct lane {
    struct lane *next;
    int          read_fd, write_fd;
    size_t       fill;
};

static thread_local struct lane *resting;
static thread_local unsigned     resting_count;

static void lane_free(struct lane *lane)
{
    (void)close(lane->read_fd);
    (void)close(lane->write_fd);
    budget_add(-(int64_t)lane->fill);
    room_lane_closed();
    mem_free(lane);
}

struct lane *lane_open(void)
{
    struct lane *lane = resting;
    int          fds[2];

    if (lane != NULL) {
        resting = lane->next;
        resting_count--;
        return lane;
    }
    if (!room_for_lane() || pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
        return NULL;
    room_lane_opened();
    (void)fcntl(fds[1], F_SETPIPE_SZ, LANE_BYTES);
    lane = mem_new(sizeof(*lane));
    lane->read_fd = fds[0];
    lane->write_fd = fds[1];
    return lane;
}

void lane_close(struct lane **lane)
{
    struct lane *done = *lane;

    if (done == NULL)
        return;
    *lane = NULL;
    if (done->fill > 0 || resting_count >= REST_MOST) {
        lane_free(done);
        return;
    }
    done->next = resting;
    resting = done;
    resting_count++;
}

size_t lane_fill(const struct lane *lane)
{
    return lane == NULL ? 0 : lane->fill;
}

static ssize_t move(int from_fd, off_t *from_offset, int to_fd, size_t most, unsigned flags)
{
    ssize_t n;

    do
        n = splice(from_fd, from_offset, to_fd, NULL, most,
                   flags | SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void lane_count(struct lane *lane, ssize_t bytes)
{
    lane->fill += (size_t)bytes;
    budget_add(bytes);
}

static ssize_t take(struct lane *lane, int from_fd, off_t *from_offset, size_t most)
{
    bool    is_short = shortage_now() != 0;
    ssize_t n;

    if (is_short && lane->fill > 0)
        return -EAGAIN;
    n = move(from_fd, from_offset, lane->write_fd,
             is_short && most > SHORT_BYTES ? SHORT_BYTES : most, 0);
    if (n > 0)
        lane_count(lane, n);
    return n;
}

ssize_t lane_take(struct lane *lane, int from_fd, size_t most)
{
    return take(lane, from_fd, NULL, most);
}

ssize_t lane_take_file(struct lane *lane, int from_fd, uint64_t offset, size_t most)
{
    off_t at = (off_t)offset;

    return take(lane, from_fd, &at, most);
}

ssize_t lane_give(struct lane *lane, int to_fd, size_t most, int has_more)
{
    ssize_t n = move(lane->read_fd, NULL, to_fd, most < lane->fill ? most : lane->fill,
                     has_more ? SPLICE_F_MORE : 0);

    if (n > 0)
        lane_count(lane, -n);
    return n;
}

void lanes_drain(void)
{
    while (resting != NULL) {
        struct lane *lane = resting;

        resting = lane->next;
        lane_free(lane);
    }
    resting_count = 0;
}
