// SPDX-License-Identifier: MIT
#include "cache/reader.h"

#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/large_body.h"
#include "net/lane.h"

/* What one step came to. */
enum progress { MOVED = 0, WAITS, OVER, BROKEN };

static void run(struct task *task, unsigned wakes);

/* ---- where bytes come from ---- */

static enum progress put(struct reader *reader, struct slice slice)
{
    reader->at += slice.len;
    pipe_put(reader->pipe, slice);
    return MOVED;
}

/* The kernel moves what was checked before: user space need not see it. */
static bool splice_large(struct reader *reader, struct large_body *body, uint64_t from,
                         uint64_t most)
{
    struct pipe *pipe = reader->pipe;
    size_t       n;

    if (!pipe->may_splice || pipe->fill > 0 || most < OBJECT_SLICE_BYTES)
        return false;
    if (pipe->lane == NULL)
        pipe->lane = lane_open();
    n = pipe->lane == NULL ? 0 : large_body_splice(body, from, most, pipe->lane);
    if (n == 0)
        return false;
    reader->at += n;
    pipe_lane_took(pipe, n);
    return true;
}

/* What is read is ours alone, other than what memory has for all. */
static uint32_t worth_reading(const struct pipe *pipe, uint32_t most)
{
    uint32_t worth = pipe_read_most(pipe);

    return worth > 0 && worth < most ? worth : most;
}

/* Bodies in files are read by jobs, one at a time; what the page cache has comes at once. */
static enum progress from_large(struct reader *reader, struct large_body *body, uint64_t from,
                                uint32_t most)
{
    struct large_read *read = reader->read;
    struct slice       slice;

    if (read == NULL) {
        read = mem_new(sizeof(*read));
        read->body = large_body_ref(body);
        read->from = from;
        read->want = worth_reading(reader->pipe, most);
        read->waiter = &reader->task;
        reader->read = read;
        if (large_read_start(read))
            return WAITS;
    }
    if (!read->is_done)
        return WAITS;
    slice = read->ret_slice;
    read->ret_slice = SLICE_NONE;
    large_read_leave(&reader->read);
    return slice.len > 0 ? put(reader, slice) : BROKEN;
}

static enum progress from_fill(struct reader *reader, uint64_t from, uint32_t most)
{
    enum fill_state state = fill_state(reader->fill);   /* first: what it tells of is there then */
    struct large_body *large = NULL;
    struct slice       slice;
    enum progress      progress;

    if (reader->read != NULL)
        return from_large(reader, reader->read->body, from, most);
    slice = fill_slice(reader->fill, reader->follower, from, most, &large);
    if (slice.len > 0)
        return put(reader, slice);
    if (large != NULL) {
        progress = from_large(reader, large, from, most);
        large_body_unref(large);
        return progress;
    }
    switch (state) {
    case FILL_WHOLE:
        return OVER;
    case FILL_FAILED:
    case FILL_PRIVATE:
        return BROKEN;
    case FILL_ASKED:
    case FILL_FLOWING:
        break;
    }
    return WAITS;
}

static enum progress from_object(struct reader *reader, uint64_t from, uint32_t most, uint64_t left)
{
    struct slice slice;

    if (reader->object->large != NULL) {
        if (from >= reader->object->body_len)
            return OVER;
        return reader->read == NULL && splice_large(reader, reader->object->large, from, left)
                   ? MOVED
                   : from_large(reader, reader->object->large, from, most);
    }
    slice = object_slice(reader->object, from, most);
    return slice.len > 0 ? put(reader, slice) : OVER;
}

/* ---- what is sent ---- */

static uint32_t most_of(uint64_t room, uint64_t left)
{
    uint64_t most = room < left ? room : left;

    return most < OBJECT_SLICE_BYTES ? (uint32_t)most : OBJECT_SLICE_BYTES;
}

static enum progress text_step(struct reader *reader, struct text text)
{
    if (text.len > 0)
        pipe_put(reader->pipe, slice_copy(text));
    reader->piece++;
    return MOVED;
}

static enum progress step(struct reader *reader)
{
    const struct piece *piece = &reader->pieces[reader->piece];
    size_t              room = pipe_room(reader->pipe);
    enum progress       progress;
    uint32_t            most;

    if (room == 0)
        return WAITS;
    if (piece->text.ptr != NULL)
        return text_step(reader, piece->text);
    most = most_of(OBJECT_SLICE_BYTES, piece->len - reader->at);
    if (most == 0) {
        reader->piece++;
        reader->at = 0;
        return MOVED;
    }
    progress = reader->object != NULL
                   ? from_object(reader, piece->from + reader->at, most, piece->len - reader->at)
                                      : from_fill(reader, piece->from + reader->at, most);
    if (progress != OVER)
        return progress;
    if (piece->len != READER_TO_END)
        return BROKEN;                   /* shorter than was announced */
    reader->piece++;
    reader->at = 0;
    return MOVED;
}

static void break_pipe(struct reader *reader)
{
    pipe_break(reader->pipe, reader->fault_cut);
    if (reader->owner != NULL)
        task_wake(reader->owner, WAKE_FAULT);
}

static void pump(struct reader *reader)
{
    enum progress progress = MOVED;

    while (progress == MOVED && reader->piece < reader->piece_count)
        progress = step(reader);
    if (progress == WAITS)
        return;
    if (progress == BROKEN)
        break_pipe(reader);
    else
        pipe_end(reader->pipe);
    reader->piece = reader->piece_count = 0;
    pipe_set_writer(reader->pipe, NULL);
    reader->pipe = NULL;                 /* nothing more to do, and nobody must wait for us */
    if (reader->follower != NULL)
        fill_leave(reader->fill, &reader->follower);
}

static void run(struct task *task, unsigned wakes)
{
    struct reader *reader = container_of(task, struct reader, task);

    (void)wakes;
    if (reader->pipe != NULL)
        pump(reader);
}

/* ---- life ---- */

static void begin(struct reader *reader, struct loop *loop, struct pipe *pipe,
                  const struct piece *pieces, unsigned piece_count, int fault_cut)
{
    task_init(&reader->task, run);
    reader->loop = loop;
    reader->pipe = pipe;
    reader->pieces = pieces;
    reader->piece_count = piece_count;
    reader->piece = 0;
    reader->at = 0;
    reader->read = NULL;
    reader->fault_cut = fault_cut;
    pipe_set_writer(pipe, &reader->task);
}

void reader_begin(struct reader *reader, struct loop *loop, struct pipe *pipe,
                  struct object *object, const struct piece *pieces, unsigned piece_count,
                  int fault_cut)
{
    begin(reader, loop, pipe, pieces, piece_count, fault_cut);
    reader->object = object_ref(object);
    reader->fill = NULL;
    reader->follower = NULL;
    pump(reader);
}

void reader_begin_fill(struct reader *reader, struct loop *loop, struct pipe *pipe,
                       struct fill *fill, const struct piece *pieces, unsigned piece_count,
                       int fault_cut)
{
    begin(reader, loop, pipe, pieces, piece_count, fault_cut);
    reader->object = NULL;
    reader->fill = fill_ref(fill);
    reader->follower = fill_follow(fill, loop, &reader->task);
    must(reader->follower != NULL);
    pump(reader);
}

void reader_done(struct reader *reader)
{
    if (reader->task.run == NULL)
        return;
    task_cancel(&reader->task);
    if (reader->pipe != NULL)
        pipe_set_writer(reader->pipe, NULL);
    reader->pipe = NULL;
    if (reader->read != NULL)
        large_read_leave(&reader->read);
    if (reader->follower != NULL)
        fill_leave(reader->fill, &reader->follower);
    if (reader->fill != NULL)
        fill_unref(reader->fill);
    if (reader->object != NULL)
        object_unref(reader->object);
    memset(reader, 0, sizeof(*reader));
}
