// SPDX-License-Identifier: MIT
/* Kernel pipes and splice(). A pipe has room for a number of pieces, each of at most a page, so it
 * is often full before it holds as many bytes as it says; and splice() then says EAGAIN, just as
 * when the socket is empty. */
#include <errno.h>
#include <stdint.h>

#include "base/mem.h"
#include "kernel_parts.h"

enum { PAGE = 4096, SLOTS_MOST = 64 };

struct lane_bytes {
    unsigned     ends;                   /* open descriptors */
    struct stored bytes;
    size_t       pieces[SLOTS_MOST];
    unsigned     count;
};

int lane_size(void)
{
    return (int)kernel_mood()->lane_slots * PAGE;
}

int lane_pipe(int ret_fds[2])
{
    struct lane_bytes *lane = mem_new(sizeof(*lane));

    lane->ends = 2;
    for (int i = 0; i < 2; i++) {
        ret_fds[i] = handle_new(HANDLE_LANE);
        handle_of(ret_fds[i])->lane = lane;
        handle_of(ret_fds[i])->is_write_end = i == 1;
    }
    return 0;
}

void lane_forget(struct handle *handle)
{
    struct lane_bytes *lane = handle->lane;

    if (--lane->ends > 0)
        return;
    stored_done(&lane->bytes);
    mem_free(lane);
}

static ssize_t fill(struct lane_bytes *lane, struct wire *wire, size_t most)
{
    char    page[PAGE];
    ssize_t moved = 0;

    while (most > 0 && lane->count < kernel_mood()->lane_slots) {
        size_t  wanted = one_in(3) ? 1 + chance(PAGE) : PAGE;
        ssize_t n;

        if (moved > 0 && (wire_ready(wire) == 0 || one_in(8)))
            break;
        n = wire_take(wire, page, wanted < most ? wanted : most, false);
        if (n <= 0)
            return moved > 0 ? moved : n;
        stored_put(&lane->bytes, page, (size_t)n);
        lane->pieces[lane->count++] = (size_t)n;
        most -= (size_t)n;
        moved += n;
    }
    return moved > 0 ? moved : -EAGAIN;
}

static void pieces_drop(struct lane_bytes *lane, size_t len)
{
    unsigned gone = 0;

    while (len > 0 && lane->pieces[gone] <= len)
        len -= lane->pieces[gone++];
    if (len > 0)
        lane->pieces[gone] -= len;
    for (unsigned i = gone; i < lane->count; i++)
        lane->pieces[i - gone] = lane->pieces[i];
    lane->count -= gone;
}

static ssize_t empty(struct lane_bytes *lane, struct wire *wire, size_t most)
{
    struct iovec iov = { .iov_base = lane->bytes.bytes + lane->bytes.from,
                         .iov_len = most < lane->bytes.len ? most : lane->bytes.len };
    ssize_t      n;

    if (iov.iov_len == 0)
        return -EAGAIN;
    n = wire_give(wire, &iov, 1);
    if (n > 0) {
        stored_drop(&lane->bytes, (size_t)n);
        pieces_drop(lane, (size_t)n);
    }
    return n;
}

ssize_t lane_splice(int from, int to, size_t most)
{
    struct handle *source = handle_of(from), *sink = handle_of(to);

    if (source == NULL || sink == NULL)
        return -EBADF;
    if (source->kind == HANDLE_SOCKET && sink->kind == HANDLE_LANE && sink->is_write_end)
        return fill(sink->lane, source->wire, most);
    if (source->kind == HANDLE_LANE && sink->kind == HANDLE_SOCKET && !source->is_write_end)
        return empty(source->lane, sink->wire, most);
    return -EINVAL;
}
