// SPDX-License-Identifier: MIT
/* The ring of slices: [first, first+kept) was read and is held for a rewind, the rest is unread; the
 * first unread one may be read in part (offset). */
#include "net/pipe.h"

#include <string.h>

#include "base/must.h"
#include "base/shortage.h"
#include "net/lane.h"

enum {
    SMALL_BYTES = 2048,        /* slices below this are gathered when the ring begins to fill */
    SHARE_PART = 2,            /* of what is left of a share, for one pipe */
    PROMISE_PART = 4,          /* the same of what is promised */
    READ_LEAST = 1024
};

static struct slice *slice_at(struct pipe *pipe, unsigned i)
{
    return &pipe->slices[(pipe->first + i) % PIPE_SLICES];
}

static void ring_shift(struct pipe *pipe)
{
    slice_unref(*slice_at(pipe, 0));
    pipe->first = (uint16_t)((pipe->first + 1) % PIPE_SLICES);
    pipe->count--;
}

void pipe_init(struct pipe *pipe, uint32_t high)
{
    memset(pipe, 0, offsetof(struct pipe, slices));
    pipe->high = high;
    pipe->low = high / 2;
}

void pipe_set_high(struct pipe *pipe, uint32_t high)
{
    bool has_grown = high > pipe->high;

    pipe->high = high;
    pipe->low = high / 2;
    if (!has_grown || !pipe->is_writer_waiting)
        return;
    pipe->is_writer_waiting = false;
    if (pipe->writer != NULL)
        task_wake(pipe->writer, WAKE_ROOM);
}

static uint32_t share_left(const struct pipe_share *share)
{
    return share->fill < share->most ? share->most - share->fill : 0;
}

static uint32_t share_part(const struct pipe_share *share)
{
    uint32_t part = share_left(share) / SHARE_PART;

    return part > share->least ? part : share->least;
}

static uint32_t limit_of(const struct pipe *pipe)
{
    uint32_t part = pipe->share == NULL ? pipe->high : share_part(pipe->share);

    return part < pipe->high ? part : pipe->high;
}

static uint32_t low_of(const struct pipe *pipe)
{
    return pipe->share == NULL ? pipe->low : limit_of(pipe) / 2;
}

static void fill_add(struct pipe *pipe, uint32_t len)
{
    pipe->fill += len;
    if (pipe->share != NULL)
        pipe->share->fill += len;
}

static void fill_drop(struct pipe *pipe, uint32_t len)
{
    pipe->fill -= len;
    if (pipe->share != NULL)
        pipe->share->fill -= len;
}

static void share_leave(struct pipe *pipe)
{
    if (pipe->share != NULL)
        pipe->share->fill -= pipe->fill + pipe->promised;
    pipe->share = NULL;
    pipe->promised = 0;
}

void pipe_set_share(struct pipe *pipe, struct pipe_share *share)
{
    share_leave(pipe);
    pipe->share = share;
    if (share != NULL)
        share->fill += pipe->fill;
}

uint32_t pipe_promise(struct pipe *pipe, uint32_t most)
{
    uint32_t part;

    if (pipe->share == NULL)
        return most;
    part = share_left(pipe->share) / PROMISE_PART;
    part = part < most ? part : most;
    pipe->promised += part;
    pipe->share->fill += part;
    return part;
}

void pipe_done(struct pipe *pipe)
{
    while (pipe->count > 0)
        ring_shift(pipe);
    pipe->kept = 0;
    share_leave(pipe);
    pipe->fill = 0;
    lane_close(&pipe->lane);
}

void pipe_set_writer(struct pipe *pipe, struct task *writer)
{
    pipe->writer = writer;
}

void pipe_set_reader(struct pipe *pipe, struct task *reader)
{
    pipe->reader = reader;
    if (reader != NULL && (pipe_has_data(pipe) || pipe->is_ended))
        task_wake(reader, WAKE_DATA);
}

/* All slices in one, if there is memory for it: a ring that is full of small ones has room again. */
static void compact(struct pipe *pipe)
{
    struct block *block = block_try_sized(pipe->fill);
    uint32_t      end = 0;

    if (block == NULL)
        return;
    while (pipe->count > 0) {
        struct slice *slice = slice_at(pipe, 0);
        uint32_t      len = slice->len - pipe->offset;

        memcpy(block->bytes + end, slice_ptr(*slice) + pipe->offset, len);
        end += len;
        pipe->offset = 0;
        ring_shift(pipe);
    }
    *slice_at(pipe, pipe->count++) = (struct slice){ .block = block, .start = 0, .len = end };
}

size_t pipe_room(struct pipe *pipe)
{
    uint32_t fill = pipe->fill, limit = limit_of(pipe);

    /* What lies in the lane comes first; and while memory is short no pipe holds more than one read,
     * unless its reader needs the whole of it. */
    if (lane_fill(pipe->lane) > 0 || (fill > 0 && shortage_now() != 0 && !pipe->is_gathering)) {
        pipe->is_writer_waiting = true;
        return 0;
    }
    if (pipe->is_gathering && pipe->count == PIPE_SLICES && pipe->total_out == 0)
        compact(pipe);
    if (fill < limit && pipe->count < PIPE_SLICES)
        return limit - fill;
    /* Kept bytes are a favour; they must not stop the body. */
    if (pipe->count == PIPE_SLICES && pipe->kept > 0) {
        pipe_forget(pipe);
        return pipe_room(pipe);
    }
    pipe->is_writer_waiting = true;
    return 0;
}

uint32_t pipe_read_most(const struct pipe *pipe)
{
    uint32_t limit = limit_of(pipe), room = limit > pipe->fill ? limit - pipe->fill : 0;

    if (limit == pipe->high)
        return 0;
    return room > READ_LEAST ? room : READ_LEAST;
}

bool pipe_is_crowded(struct pipe *pipe)
{
    return pipe->share != NULL && pipe_room(pipe) == 0;
}

/* What was read is a part of a block that others' bytes lie in as well. Where much waits already, it waits in a
 * block of its own size. */
static struct slice alone(struct slice slice)
{
    struct block *block = slice.len < slice.block->size / 2 ? block_try_sized(slice.len) : NULL;

    if (block == NULL)
        return slice;
    memcpy(block->bytes, slice_ptr(slice), slice.len);
    slice_unref(slice);
    return (struct slice){ .block = block, .start = 0, .len = slice.len };
}

static bool waits_long(const struct pipe_share *share)
{
    return share != NULL && share->fill > share->most / 2;
}

/* A slice behind the last one of the same block makes that one longer. */
static bool join_neighbour(struct pipe *pipe, struct slice slice)
{
    struct slice *last;

    if (pipe->count == pipe->kept)
        return false;
    last = slice_at(pipe, pipe->count - 1u);
    if (last->block != slice.block || last->start + last->len != slice.start)
        return false;
    last->len += slice.len;
    slice_unref(slice);
    return true;
}

/* Copies a small slice behind the last one, into a block that nobody else reads. */
static bool gather_small(struct pipe *pipe, struct slice slice)
{
    struct slice *last;
    uint32_t      end;

    if (slice.len >= SMALL_BYTES || pipe->count - pipe->kept < 2)
        return false;
    last = slice_at(pipe, pipe->count - 1u);
    end = last->start + last->len;
    if (block_is_shared(last->block) || last->block->size - end < slice.len) {
        struct block *block;

        if (pipe->count < PIPE_SLICES / 2 || last->len >= SMALL_BYTES)
            return false;
        block = block_try();
        if (block == NULL)
            return false;
        memcpy(block->bytes, slice_ptr(*last), last->len);
        slice_unref(*last);
        *last = (struct slice){ .block = block, .start = 0, .len = last->len };
        end = last->len;
    }
    memcpy(last->block->bytes + end, slice_ptr(slice), slice.len);
    last->len += slice.len;
    slice_unref(slice);
    return true;
}

void pipe_put(struct pipe *pipe, struct slice slice)
{
    must(!pipe->is_ended);
    if (pipe->fault != 0 || slice.len == 0) {
        slice_unref(slice);
        return;
    }
    pipe->total_in += slice.len;
    fill_add(pipe, slice.len);
    if (!join_neighbour(pipe, slice) && !gather_small(pipe, slice)) {
        must(pipe->count < PIPE_SLICES);
        *slice_at(pipe, pipe->count++) = waits_long(pipe->share) ? alone(slice) : slice;
    }
    if (pipe->reader != NULL)
        task_wake(pipe->reader, WAKE_DATA);
}

void pipe_end(struct pipe *pipe)
{
    pipe->is_ended = true;
    if (pipe->reader != NULL)
        task_wake(pipe->reader, WAKE_DATA | WAKE_END);
}

int pipe_peek(const struct pipe *pipe, struct iovec *ret_iov, int most)
{
    int      n = 0;
    uint32_t offset = pipe->offset;

    for (unsigned i = pipe->kept; i < pipe->count && n < most; i++) {
        struct slice slice = pipe->slices[(pipe->first + i) % PIPE_SLICES];

        ret_iov[n].iov_base = (void *)(slice_ptr(slice) + offset);
        ret_iov[n].iov_len = slice.len - offset;
        offset = 0;
        n++;
    }
    return n;
}

void pipe_drop(struct pipe *pipe, size_t len)
{
    must(len <= pipe->fill);
    fill_drop(pipe, (uint32_t)len);
    pipe->total_out += len;
    while (len > 0) {
        struct slice *slice = slice_at(pipe, pipe->kept);
        uint32_t      left = slice->len - pipe->offset;

        if (len < left) {
            pipe->offset += (uint32_t)len;
            break;
        }
        len -= left;
        pipe->offset = 0;
        if (pipe->is_keeping)
            pipe->kept++;
        else
            ring_shift(pipe);
    }
    /* A ring full of kept slices is room, too: pipe_room() will let go of them. */
    if (pipe->is_writer_waiting && pipe->fill <= low_of(pipe) &&
        (pipe->count < PIPE_SLICES || pipe->kept > 0)) {
        pipe->is_writer_waiting = false;
        if (pipe->writer != NULL)
            task_wake(pipe->writer, WAKE_ROOM);
    }
}

struct slice pipe_take(struct pipe *pipe, size_t most)
{
    struct slice slice;

    if (pipe->fill == 0 || most == 0)
        return SLICE_NONE;
    slice = slice_ref(*slice_at(pipe, pipe->kept));
    slice.start += pipe->offset;
    slice.len -= pipe->offset;
    if (slice.len > most)
        slice.len = (uint32_t)most;
    pipe_drop(pipe, slice.len);
    return slice;
}

bool pipe_has_data(const struct pipe *pipe)
{
    return pipe->fill > 0 || lane_fill(pipe->lane) > 0;
}

bool pipe_is_finished(const struct pipe *pipe)
{
    return pipe->is_ended && !pipe_has_data(pipe);
}

void pipe_break(struct pipe *pipe, int fault)
{
    if (pipe->fault != 0)
        return;
    pipe->fault = fault;
    if (pipe->reader != NULL)
        task_wake(pipe->reader, WAKE_FAULT);
    if (pipe->writer != NULL)
        task_wake(pipe->writer, WAKE_FAULT | WAKE_ROOM);
}

void pipe_lane_took(struct pipe *pipe, size_t len)
{
    pipe->total_in += len;
    if (pipe->reader != NULL)
        task_wake(pipe->reader, WAKE_DATA);
}

void pipe_lane_gave(struct pipe *pipe, size_t len)
{
    pipe->total_out += len;
    pipe_forget(pipe);   /* these bytes cannot come again */
    if (!pipe->is_writer_waiting || lane_fill(pipe->lane) > 0)
        return;
    pipe->is_writer_waiting = false;
    if (pipe->writer != NULL)
        task_wake(pipe->writer, WAKE_ROOM);
}

void pipe_keep(struct pipe *pipe)
{
    must(pipe->total_out == 0);
    pipe->is_keeping = true;
}

bool pipe_may_rewind(const struct pipe *pipe)
{
    return pipe->is_keeping || pipe->total_out == 0;
}

void pipe_rewind(struct pipe *pipe)
{
    must(pipe_may_rewind(pipe));
    pipe->kept = 0;
    pipe->offset = 0;
    fill_add(pipe, (uint32_t)pipe->total_out);   /* not total_in: some may lie in the lane */
    pipe->total_out = 0;
    if (pipe->reader != NULL && pipe_has_data(pipe))
        task_wake(pipe->reader, WAKE_DATA);
}

void pipe_forget(struct pipe *pipe)
{
    pipe->is_keeping = false;
    while (pipe->kept > 0) {
        ring_shift(pipe);
        pipe->kept--;
    }
}
