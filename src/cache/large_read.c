// SPDX-License-Identifier: MIT
/* Parts of large bodies: at once what the page cache has and was checked, the rest by a job. */
#include <errno.h>

#include <xxhash.h>

#include "base/mem.h"
#include "cache/disk_parts.h"
#include "cache/large_parts.h"
#include "net/lane.h"
#include "net/loop.h"

static bool is_checked(const struct large_body *body, uint64_t part)
{
    return (atomic_load(&body->checked[part / 64]) >> part % 64 & 1) != 0;
}

static void note_checked(struct large_body *body, uint64_t part)
{
    atomic_fetch_or(&body->checked[part / 64], UINT64_C(1) << part % 64);
}

/* Into a block of its own; all of it or, with *reterr, nothing. */
static struct block *read_block(const struct large_body *body, uint64_t from, uint32_t len,
                                bool is_quick, int *reterr)
{
    struct block *block = block_try_sized(len);
    ssize_t       n;

    if (block == NULL) {
        *reterr = -ENOMEM;
        return NULL;
    }
    n = file_read(atomic_load(&body->fd), block->bytes, len, from, is_quick);
    if (n == (ssize_t)len)
        return block;
    *reterr = n < 0 ? (int)n : -EINVAL;
    block_unref(block);
    return NULL;
}

/* The whole part, compared; the slice of what was wanted of it. */
static int read_checked(struct large_read *read, uint64_t part, uint32_t at, uint32_t most)
{
    struct large_body *body = read->body;
    uint64_t           from = part * LARGE_PART_BYTES, left = large_body_written(body) - from;
    uint32_t           len = left < LARGE_PART_BYTES ? (uint32_t)left : LARGE_PART_BYTES;
    int                r = 0;
    struct block      *block = read_block(body, from, len, false, &r);

    if (block == NULL)
        return r;
    if (XXH3_64bits_withSeed(block->bytes, len, body->disk->seed) == body->checksums[part]) {
        note_checked(body, part);
        read->ret_slice = slice_of(block, at, most);
    } else {
        r = -EINVAL;
    }
    block_unref(block);
    return r;
}

static int read_some(struct large_read *read, bool is_quick)
{
    struct large_body *body = read->body;
    bool               is_whole = large_body_is_whole(body);
    uint64_t           written = large_body_written(body), part = read->from / LARGE_PART_BYTES;
    uint32_t           at = (uint32_t)(read->from % LARGE_PART_BYTES), most = read->want;
    struct block      *block;
    int                r = 0;

    if (read->from >= written)
        return -ENODATA;
    if (most > LARGE_PART_BYTES - at)
        most = LARGE_PART_BYTES - at;
    if (most > written - read->from)
        most = (uint32_t)(written - read->from);
    if (is_whole && !is_checked(body, part))
        return is_quick ? -EAGAIN : read_checked(read, part, at, most);
    block = read_block(body, read->from, most, is_quick, &r);
    if (block != NULL)
        read->ret_slice = (struct slice){ .block = block, .start = 0, .len = most };
    return r;
}

/* The ends of a range tell of its middle, which was read ahead with them. */
static bool is_in_page_cache(int fd, uint64_t from, uint64_t len)
{
    char byte;

    return file_read(fd, &byte, 1, from, true) == 1 &&
           file_read(fd, &byte, 1, from + len - 1, true) == 1;
}

size_t large_body_splice(struct large_body *body, uint64_t from, uint64_t most, struct lane *lane)
{
    uint64_t part = from / LARGE_PART_BYTES, left = LARGE_PART_BYTES - from % LARGE_PART_BYTES;
    int      fd = atomic_load(&body->fd);
    ssize_t  n;

    if (!large_body_is_whole(body) || from >= large_body_written(body) || !is_checked(body, part))
        return 0;
    if (most > left)
        most = left;
    if (most > large_body_written(body) - from)
        most = large_body_written(body) - from;
    if (!is_in_page_cache(fd, from, most))
        return 0;
    n = lane_take_file(lane, fd, from, (size_t)most);
    return n > 0 ? (size_t)n : 0;
}

/* On the loop or a job's thread. */
static int read_part(struct large_read *read, bool is_quick)
{
    int r = read_some(read, is_quick);

    if (r < 0 && r != -EAGAIN && r != -ENODATA && r != -ENOMEM)
        large_body_damaged(read->body);
    return r;
}

static void read_run(struct job *job)
{
    (void)read_part(container_of(job, struct large_read, job), false);
}

static void read_free(struct large_read *read)
{
    slice_unref(read->ret_slice);
    large_body_unref(read->body);
    mem_free(read);
}

static void read_opened(struct loop *loop, struct letter *letter)
{
    struct large_read *read = container_of(letter, struct large_read, job.letter);

    (void)loop;
    read->is_done = true;
    if (read->waiter != NULL)
        task_wake(read->waiter, WAKE_LETTER);
    else
        read_free(read);
}

bool large_read_start(struct large_read *read)
{
    disk_say(read->body->disk);
    read->ret_slice = SLICE_NONE;
    read->is_done = read_part(read, true) != -EAGAIN;
    if (read->is_done)
        return false;
    read->job = (struct job){ .loop = loop_self(), .run = read_run };
    read->job.letter.open = read_opened;
    jobs_post(&read->job);
    return true;
}

void large_read_leave(struct large_read **read)
{
    struct large_read *left = *read;

    if (left == NULL)
        return;
    *read = NULL;
    if (left->is_done)
        read_free(left);
    else
        left->waiter = NULL;
}
