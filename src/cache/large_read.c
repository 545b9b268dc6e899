// SPDX-License-Identifier: MIT
/* Parts of large bodies: at once what the page cache has and may be believed, the rest by a job. */
#include <errno.h>

#include <xxhash.h>

#include "base/mem.h"
#include "cache/disk_parts.h"
#include "cache/large_parts.h"
#include "net/lane.h"
#include "net/loop.h"

static bool is_unchanged(struct large_body *body)
{
    return large_body_stamp(body) == atomic_load(&body->stamp);
}

/* Somebody has changed the file: what was found sound before may be so no more. */
static void check_anew(struct large_body *body)
{
    pthread_mutex_lock(&body->lock);
    atomic_store(&body->stamp, large_body_stamp(body));
    for (uint32_t i = 0; i <= body->checksum_count / 64; i++)
        atomic_store(&body->checked[i], 0);
    pthread_mutex_unlock(&body->lock);
}

/* It may be read without looking at its checksum. */
static bool is_believed(struct large_body *body, uint64_t part)
{
    bool is_whole = large_body_is_whole(body);

    if (!is_unchanged(body)) {
        if (is_whole)
            check_anew(body);
        return false;
    }
    return !is_whole || (atomic_load(&body->checked[part / 64]) >> part % 64 & 1) != 0;
}

/* Unless the file was changed since it had this stamp, which was before it was read. */
static void note_checked(struct large_body *body, uint64_t part, uint64_t stamp)
{
    pthread_mutex_lock(&body->lock);
    if (large_body_is_whole(body) && atomic_load(&body->stamp) == stamp)
        atomic_fetch_or(&body->checked[part / 64], UINT64_C(1) << part % 64);
    pthread_mutex_unlock(&body->lock);
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

/* What the part must look like as far as it is written. */
struct likeness {
    uint64_t checksum;
    uint32_t len;
};

static struct likeness likeness_of(struct large_body *body, uint64_t part)
{
    struct likeness likeness;
    uint64_t        left;

    pthread_mutex_lock(&body->lock);
    left = large_body_written(body) - part * LARGE_PART_BYTES;
    likeness.len = left < LARGE_PART_BYTES ? (uint32_t)left : LARGE_PART_BYTES;
    likeness.checksum =
        part < body->checksum_count ? body->checksums[part] : XXH3_64bits_digest(body->hashing);
    pthread_mutex_unlock(&body->lock);
    return likeness;
}

/* The whole part, compared; the slice of what was wanted of it. */
static int read_checked(struct large_read *read, uint64_t part, uint32_t at, uint32_t most)
{
    struct large_body *body = read->body;
    struct likeness    likeness = likeness_of(body, part);
    uint64_t           stamp = large_body_stamp(body);
    int                r = 0;
    struct block      *block =
        read_block(body, part * LARGE_PART_BYTES, likeness.len, false, &r);

    if (block == NULL)
        return r;
    if (XXH3_64bits_withSeed(block->bytes, likeness.len, body->disk->seed) == likeness.checksum) {
        note_checked(body, part, stamp);
        read->ret_slice = slice_of(block, at, most);
    } else {
        r = -EINVAL;
    }
    block_unref(block);
    return r;
}

/* False: not in memory, or it cannot be believed. */
static bool read_believed(struct large_read *read, uint64_t part, uint32_t most, bool is_quick)
{
    struct large_body *body = read->body;
    struct block      *block;
    int                error;

    if (!is_believed(body, part))
        return false;
    block = read_block(body, read->from, most, is_quick, &error);
    if (block == NULL)
        return false;
    if (is_unchanged(body))
        read->ret_slice = (struct slice){ .block = block, .start = 0, .len = most };
    else
        block_unref(block);
    return read->ret_slice.len > 0;
}

static int read_some(struct large_read *read, bool is_quick)
{
    uint64_t written = large_body_written(read->body), part = read->from / LARGE_PART_BYTES;
    uint32_t at = (uint32_t)(read->from % LARGE_PART_BYTES), most = read->want;

    if (read->from >= written)
        return -ENODATA;
    if (most > LARGE_PART_BYTES - at)
        most = LARGE_PART_BYTES - at;
    if (most > written - read->from)
        most = (uint32_t)(written - read->from);
    if (read_believed(read, part, most, is_quick))
        return 0;
    return is_quick ? -EAGAIN : read_checked(read, part, at, most);
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

    if (!large_body_is_whole(body) || from >= large_body_written(body) || !is_believed(body, part))
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
