// SPDX-License-Identifier: MIT
#include "cache/disk_segments.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "cache/disk_directory.h"

enum { RING = 65536, MODE = 0600 };

void segments_init(struct segments *segments, int dir_fd)
{
    *segments = (struct segments){ .dir_fd = dir_fd };
    pthread_mutex_init(&segments->lock, NULL);
    segments->ring = mem_new(RING * sizeof(segments->ring[0]));
}

static void segment_close(struct segment *segment)
{
    (void)close(segment->fd);
    mem_free(segment);
}

void segments_done(struct segments *segments)
{
    for (uint32_t i = 0; i < RING; i++)
        if (segments->ring[i] != NULL)
            segment_close(segments->ring[i]);
    segments_bury(segments);
    mem_free(segments->ring);
    pthread_mutex_destroy(&segments->lock);
}

int segments_add(struct segments *segments, uint32_t number, bool is_new,
                 struct segment **ret_segment)
{
    char            name[32];
    int             flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (is_new ? O_CREAT | O_EXCL : 0), fd;
    struct segment *segment;
    struct stat     stat;

    must(number > segments->newest && segments->ring[number % RING] == NULL);
    fd = openat(segments->dir_fd, directory_segment_name(number, name).ptr, flags, MODE);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
        (void)close(fd);
        return -EINVAL;
    }
    segment = mem_new(sizeof(*segment));
    *segment = (struct segment){ .number = number, .fd = fd, .home = segments };
    atomic_init(&segment->refs, 1);
    atomic_store(&segment->used_ms, clock_mono_ms());
    pthread_mutex_lock(&segments->lock);
    segments->ring[number % RING] = segment;
    segments->newest = number;
    if (segments->oldest == 0)
        segments->oldest = number;
    pthread_mutex_unlock(&segments->lock);
    atomic_fetch_add(&segments->count, 1);
    segment_grow(segment, (uint64_t)stat.st_size);
    *ret_segment = segment;
    return 0;
}

void segment_grow(struct segment *segment, uint64_t bytes)
{
    atomic_fetch_add(&segment->bytes, bytes);
    atomic_fetch_add(&segment->home->bytes, bytes);
}

static struct segment *segment_ref(struct segment *segment)
{
    if (segment != NULL)
        atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    return segment;
}

struct segment *segments_take(struct segments *segments, uint32_t number)
{
    struct segment *segment;

    pthread_mutex_lock(&segments->lock);
    segment = segments->ring[number % RING];
    segment = segment != NULL && segment->number == number ? segment_ref(segment) : NULL;
    pthread_mutex_unlock(&segments->lock);
    return segment;
}

uint64_t segments_bytes_of(const struct segments *segments, uint32_t number)
{
    struct segment *segment = segments->ring[number % RING];

    return segment == NULL || segment->number != number ? 0 : atomic_load(&segment->bytes);
}

void segments_range(struct segments *segments, uint32_t *ret_oldest, uint32_t *ret_newest)
{
    pthread_mutex_lock(&segments->lock);
    *ret_oldest = segments->oldest;
    *ret_newest = segments->newest;
    pthread_mutex_unlock(&segments->lock);
}

struct segment *segments_take_oldest(struct segments *segments)
{
    struct segment *segment;

    pthread_mutex_lock(&segments->lock);
    segment = segments->oldest == 0 ? NULL : segment_ref(segments->ring[segments->oldest % RING]);
    pthread_mutex_unlock(&segments->lock);
    return segment;
}

/* Under the lock. */
static uint32_t next_behind(const struct segments *segments, uint32_t number)
{
    while (number < segments->newest) {
        number++;
        if (segments->ring[number % RING] != NULL &&
            segments->ring[number % RING]->number == number)
            return number;
    }
    return 0;
}

void segments_drop(struct segments *segments, struct segment *segment)
{
    char name[32];

    (void)unlinkat(segments->dir_fd, directory_segment_name(segment->number, name).ptr, 0);
    pthread_mutex_lock(&segments->lock);
    segments->ring[segment->number % RING] = NULL;
    if (segments->oldest == segment->number)
        segments->oldest = next_behind(segments, segment->number);
    pthread_mutex_unlock(&segments->lock);
    atomic_fetch_sub(&segments->count, 1);
    atomic_fetch_sub(&segments->bytes, atomic_load(&segment->bytes));
    segment_unref(segment);              /* the table's */
}

void segment_unref(struct segment *segment)
{
    struct segments *home = segment->home;

    if (atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_lock(&home->lock);
    segment->next = home->dead;
    home->dead = segment;
    pthread_mutex_unlock(&home->lock);
}

void segments_bury(struct segments *segments)
{
    struct segment *dead, *next;

    pthread_mutex_lock(&segments->lock);
    dead = segments->dead;
    segments->dead = NULL;
    pthread_mutex_unlock(&segments->lock);
    for (; dead != NULL; dead = next) {
        next = dead->next;
        segment_close(dead);
    }
}

/* ---- reading ---- */

static ssize_t read_quick(int fd, void *buffer, size_t len, uint64_t from)
{
    struct iovec part = { .iov_base = buffer, .iov_len = len };
    ssize_t      n = preadv2(fd, &part, 1, (off_t)from, RWF_NOWAIT);

    return n < 0 || (size_t)n < len ? -EAGAIN : n;
}

ssize_t file_read(int fd, void *buffer, size_t len, uint64_t from, bool is_quick)
{
    size_t  got = 0;
    ssize_t n = 1;

    if (is_quick)
        return read_quick(fd, buffer, len, from);
    while (got < len && n > 0) {
        n = pread(fd, (char *)buffer + got, len - got, (off_t)(from + got));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            got += (size_t)n;
        else if (n < 0)
            n = 1;
    }
    return (ssize_t)got;
}

ssize_t segment_read(const struct segment *segment, void *buffer, size_t len, uint64_t from,
                     bool is_quick)
{
    return file_read(segment->fd, buffer, len, from, is_quick);
}
