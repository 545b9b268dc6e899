// SPDX-License-Identifier: MIT
/* Making one, holding it, letting it go. What touches the file runs on the thread that writes, as a work
 * in its queue; the body itself is that work, so it waits there once at most. */
#include "cache/large_body.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/mem.h"
#include "cache/disk_parts.h"
#include "cache/large_parts.h"

enum { MODE = 0600, CHECKSUMS_FIRST = 16, COUNTER_BITS = 32, VERSION = 1 };

#define MAGIC UINT32_C(0x4c444631)       /* "1FDL" */

_Static_assert(sizeof(struct large_trailer) == 32, "no padding");

static void large_work(struct disk *disk, struct disk_work *work);

/* ---- life ---- */

static struct large_body *body_new(struct disk *disk, uint64_t id)
{
    struct large_body *body = mem_new(sizeof(*body));

    atomic_init(&body->refs, 1);
    body->disk = disk_ref(disk);
    body->id = id;
    body->work.run = large_work;
    atomic_init(&body->fd, -1);
    pthread_mutex_init(&body->lock, NULL);
    pthread_mutex_init(&body->watch_lock, NULL);
    return body;
}

static void body_free(struct large_body *body)
{
    struct disk *disk = body->disk;

    if (atomic_load(&body->fd) >= 0)
        (void)close(atomic_load(&body->fd));
    if (body->hashing != NULL)
        (void)XXH3_freeState(body->hashing);
    mem_free(body->checksums);
    mem_free(body->checked);
    pthread_mutex_destroy(&body->lock);
    pthread_mutex_destroy(&body->watch_lock);
    mem_free(body);
    disk_unref(disk);
}

struct large_body *large_body_new(struct disk *disk)
{
    struct large_body *body;
    uint64_t           number = atomic_fetch_add(&disk->large_count, 1) + 1;

    disk_say(disk);
    if (!disk_is_ready(disk) || atomic_load(&disk->is_failing))
        return NULL;
    body = body_new(disk, disk->directory.start << COUNTER_BITS | number);
    body->hashing = XXH3_createState();
    if (body->hashing == NULL) {
        body_free(body);
        return NULL;
    }
    (void)XXH3_64bits_reset_withSeed(body->hashing, disk->seed);
    large_files_add(&disk->larges, body->id, body);
    return body;
}

struct large_body *large_body_ref(struct large_body *body)
{
    atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
    return body;
}

bool large_body_try_ref(struct large_body *body)
{
    unsigned refs = atomic_load(&body->refs);

    while (refs > 0)
        if (atomic_compare_exchange_weak(&body->refs, &refs, refs + 1))
            return true;
    return false;
}

uint64_t large_body_id(const struct large_body *body)
{
    return body->id;
}

static void pending_drop(struct large_pending *pending)
{
    for (struct large_pending *next; pending != NULL; pending = next) {
        next = pending->next;
        slice_unref(pending->slice);
        mem_free(pending);
    }
}

/* Nobody holds it any more. */
static void body_end(struct large_body *body)
{
    struct large_files *files = &body->disk->larges;
    struct cache_hash   hash;

    large_files_shut(files, body->id, body);
    if (large_files_place(files, body->id, &hash) == 0)
        large_files_drop(files, body->id);
    pending_drop(body->first);
    body_free(body);
}

void large_body_unref(struct large_body *body)
{
    if (atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) != 1)
        return;
    /* Closing and deleting may take time. */
    body->is_over = true;
    if (!disk_queue_put(&body->disk->queue, &body->work))
        body_end(body);
}

/* ---- the maker's side ---- */

/* Under the lock. False: the cache is closed. */
static bool enqueue(struct large_body *body)
{
    if (body->is_queued)
        return true;
    (void)large_body_ref(body);
    body->is_queued = disk_queue_put(&body->disk->queue, &body->work);
    if (!body->is_queued)
        atomic_fetch_sub(&body->refs, 1);            /* the caller has another one */
    return body->is_queued;
}

static bool append(struct large_body *body, struct large_pending *pending)
{
    bool is_taken;

    pthread_mutex_lock(&body->lock);
    is_taken = enqueue(body);
    if (is_taken) {
        if (body->last != NULL)
            body->last->next = pending;
        else
            body->first = pending;
        body->last = pending;
        atomic_fetch_add(&body->pending, pending->slice.len);
    }
    pthread_mutex_unlock(&body->lock);
    return is_taken;
}

bool large_body_append(struct large_body *body, struct slice slice)
{
    struct large_pending *pending = NULL;

    if (!large_body_has_failed(body))
        pending = mem_try(sizeof(*pending));
    if (pending == NULL) {
        slice_unref(slice);
        return false;
    }
    *pending = (struct large_pending){ .slice = slice };
    if (append(body, pending))
        return true;
    pending_drop(pending);
    return false;
}

void large_body_finish(struct large_body *body)
{
    pthread_mutex_lock(&body->lock);
    body->is_finishing = true;
    if (!enqueue(body))
        atomic_store(&body->has_failed, true);
    pthread_mutex_unlock(&body->lock);
}

void large_body_damaged(struct large_body *body)
{
    atomic_fetch_add(&body->disk->damaged, 1);
    atomic_store(&body->has_failed, true);
    pthread_mutex_lock(&body->lock);
    body->is_damaged = true;
    (void)enqueue(body);
    pthread_mutex_unlock(&body->lock);
}

void large_body_watch(struct large_body *body, void (*progress)(void *arg), void *arg)
{
    body->progress = progress;           /* the thread that writes does not know of it yet */
    body->progress_arg = arg;
}

void large_body_unwatch(struct large_body *body)
{
    pthread_mutex_lock(&body->watch_lock);
    body->progress = NULL;
    pthread_mutex_unlock(&body->watch_lock);
}

uint64_t large_body_pending(const struct large_body *body)
{
    return atomic_load(&body->pending);
}

uint64_t large_body_written(const struct large_body *body)
{
    return atomic_load(&body->written);
}

bool large_body_is_whole(const struct large_body *body)
{
    return atomic_load(&body->is_whole);
}

bool large_body_has_failed(const struct large_body *body)
{
    return atomic_load(&body->has_failed);
}

/* Any change of its bytes or its length changes its change time, though by the clock's ticks. */
uint64_t large_body_stamp(const struct large_body *body)
{
    struct stat stat;
    uint64_t    facts[3] = { 0 };

    if (fstat(atomic_load(&body->fd), &stat) == 0) {
        facts[0] = (uint64_t)stat.st_size;
        facts[1] = (uint64_t)stat.st_ctim.tv_sec;
        facts[2] = (uint64_t)stat.st_ctim.tv_nsec;
    }
    return XXH3_64bits(facts, sizeof(facts));
}

/* ---- the writing thread's ---- */

static int file_begin(struct large_body *body)
{
    char name[LARGE_NAME_BYTES];
    int  fd;

    if (atomic_load(&body->fd) >= 0)
        return 0;
    fd = openat(body->disk->directory.large_fd, large_file_name(body->id, name),
                O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    if (fd < 0)
        return -errno;
    atomic_store(&body->fd, fd);
    atomic_store(&body->stamp, large_body_stamp(body));
    return 0;
}

/* -ESTALE: somebody else has changed the file. */
static int write_at(struct large_body *body, const void *bytes, size_t len, uint64_t at)
{
    if (large_body_stamp(body) != atomic_load(&body->stamp))
        return -ESTALE;
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(atomic_load(&body->fd), (const char *)bytes + done, len - done,
                           (off_t)(at + done));

        if (n == 0 || (n < 0 && errno != EINTR))
            return n == 0 ? -ENOSPC : -errno;
        if (n < 0)
            continue;
        large_files_grow(&body->disk->larges, body->id, (uint64_t)n);
        atomic_fetch_add(&body->disk->written_bytes, (uint64_t)n);
        done += (size_t)n;
    }
    atomic_store(&body->stamp, large_body_stamp(body));
    return 0;
}

/* The part that was being written is whole, or the last one. */
static bool part_end(struct large_body *body)
{
    if (body->checksum_count == body->checksum_room) {
        uint32_t  room = body->checksum_room == 0 ? CHECKSUMS_FIRST : body->checksum_room * 2;
        uint64_t *checksums = mem_try(room * sizeof(*checksums));

        if (checksums == NULL)
            return false;
        if (body->checksum_count > 0)
            memcpy(checksums, body->checksums, body->checksum_count * sizeof(*checksums));
        mem_free(body->checksums);
        body->checksums = checksums;
        body->checksum_room = room;
    }
    body->checksums[body->checksum_count++] = XXH3_64bits_digest(body->hashing);
    (void)XXH3_64bits_reset_withSeed(body->hashing, body->disk->seed);
    return true;
}

static bool note_checksums(struct large_body *body, struct slice slice, uint64_t at)
{
    for (uint32_t done = 0, n; done < slice.len; done += n) {
        uint32_t in_part = (uint32_t)((at + done) % LARGE_PART_BYTES);

        n = slice.len - done;
        if (n > LARGE_PART_BYTES - in_part)
            n = LARGE_PART_BYTES - in_part;
        (void)XXH3_64bits_update(body->hashing, slice_ptr(slice) + done, n);
        if (in_part + n == LARGE_PART_BYTES && !part_end(body))
            return false;
    }
    return true;
}

/* Readers see how far it is and what it must look like as one. */
static int note_written(struct large_body *body, struct slice slice, uint64_t at)
{
    bool is_noted;

    pthread_mutex_lock(&body->lock);
    is_noted = note_checksums(body, slice, at);
    if (is_noted)
        atomic_store(&body->written, at + slice.len);
    pthread_mutex_unlock(&body->lock);
    return is_noted ? 0 : -ENOMEM;
}

/* -EFBIG: one body that is half of the cache. */
static int write_slice(struct large_body *body, struct slice slice)
{
    uint64_t at = atomic_load(&body->written);
    int      r;

    if (slice.len == 0)
        return 0;
    if (!disk_is_ready(body->disk) || disk_is_late(body->disk))
        return -ESHUTDOWN;
    if (at + slice.len > atomic_load(&body->disk->max_size) / 2)
        return -EFBIG;
    r = disk_make_room(body->disk, slice.len);
    if (r == 0)
        r = file_begin(body);
    if (r == 0)
        r = write_at(body, slice_ptr(slice), slice.len, at);
    return r < 0 ? r : note_written(body, slice, at);
}

uint64_t large_trailer_checksum(const struct large_body *body, const struct large_trailer *trailer)
{
    uint64_t seal = body->disk->seed ^ trailer->id;
    size_t   from = sizeof(trailer->checksum);

    seal = XXH3_64bits_withSeed(body->checksums, body->checksum_count * sizeof(uint64_t), seal);
    return XXH3_64bits_withSeed((const char *)trailer + from, sizeof(*trailer) - from, seal);
}

static int end_last_part(struct large_body *body, uint64_t len)
{
    bool has_ended;

    pthread_mutex_lock(&body->lock);
    has_ended = len % LARGE_PART_BYTES == 0 || part_end(body);
    pthread_mutex_unlock(&body->lock);
    return has_ended ? 0 : -ENOMEM;
}

static int write_trailer(struct large_body *body)
{
    uint64_t             len = atomic_load(&body->written);
    struct large_trailer trailer = {
        .id = body->id, .body_len = len, .magic = MAGIC, .version = VERSION
    };
    size_t bytes;
    int    r = end_last_part(body, len);

    if (r == 0)
        r = file_begin(body);            /* it may be empty */
    bytes = body->checksum_count * sizeof(uint64_t);
    trailer.checksum = large_trailer_checksum(body, &trailer);
    if (r == 0)
        r = disk_make_room(body->disk, bytes + sizeof(trailer));
    if (r == 0)
        r = write_at(body, body->checksums, bytes, len);
    return r < 0 ? r : write_at(body, &trailer, sizeof(trailer), len + bytes);
}

static int finish(struct large_body *body)
{
    int r = disk_is_ready(body->disk) ? write_trailer(body) : -ESHUTDOWN;

    if (r < 0)
        return r;
    body->checked = mem_new((body->checksum_count / 64 + 1) * sizeof(body->checked[0]));
    atomic_store(&body->is_whole, true);
    return 0;
}

static int write_pending(struct large_body *body, struct large_pending *pending)
{
    int r = large_body_has_failed(body) ? -EIO : 0;

    for (struct large_pending *at = pending; at != NULL; at = at->next) {
        if (r == 0)
            r = write_slice(body, at->slice);
        atomic_fetch_sub(&body->pending, at->slice.len);
    }
    pending_drop(pending);
    return r;
}

static void fail(struct large_body *body, int error)
{
    if (atomic_exchange(&body->has_failed, true))
        return;
    atomic_fetch_add(&body->disk->dropped_writes, 1);
    if (error == -ESTALE)
        atomic_fetch_add(&body->disk->damaged, 1);
    else if (error != -EFBIG && error != -ENOMEM)
        disk_fail(body->disk, "writing a large body", error);
}

static void forget(struct large_body *body)
{
    struct disk      *disk = body->disk;
    struct cache_hash hash;
    uint64_t          place = large_files_place(&disk->larges, body->id, &hash);

    if (place == 0 || !disk_is_ready(disk))
        return;
    (void)disk_index_take(disk->index, hash, place);
    large_files_drop(&disk->larges, body->id);
    disk->snapshot.forced++;
}

static void tell(struct large_body *body)
{
    pthread_mutex_lock(&body->watch_lock);
    if (body->progress != NULL)
        body->progress(body->progress_arg);
    pthread_mutex_unlock(&body->watch_lock);
}

static void large_work(struct disk *disk, struct disk_work *work)
{
    struct large_body    *body = container_of(work, struct large_body, work);
    struct large_pending *pending;
    bool                  is_finishing, is_damaged;
    int                   r;

    (void)disk;
    if (body->is_over) {
        body_end(body);
        return;
    }
    pthread_mutex_lock(&body->lock);
    pending = body->first;
    body->first = body->last = NULL;
    body->is_queued = false;
    is_finishing = body->is_finishing;
    is_damaged = body->is_damaged;
    pthread_mutex_unlock(&body->lock);
    if (is_damaged)
        forget(body);
    r = write_pending(body, pending);
    if (r == 0 && is_finishing && !large_body_is_whole(body))
        r = finish(body);
    if (r < 0)
        fail(body, r);
    tell(body);
    large_body_unref(body);
}

/* ---- opening one that is stored ---- */

static int read_trailer(struct large_body *body, uint64_t len)
{
    uint64_t             count = (len + LARGE_PART_BYTES - 1) / LARGE_PART_BYTES;
    struct large_trailer trailer;
    size_t               bytes = (size_t)count * sizeof(uint64_t);
    int                  fd = atomic_load(&body->fd);

    if (count > UINT32_MAX ||
        file_read(fd, &trailer, sizeof(trailer), len + bytes, false) != sizeof(trailer) ||
        trailer.magic != MAGIC || trailer.version != VERSION || trailer.id != body->id ||
        trailer.body_len != len)
        return -EINVAL;
    body->checksums = mem_try(bytes + 1);
    body->checked = mem_try((count / 64 + 1) * sizeof(body->checked[0]));
    if (body->checksums == NULL || body->checked == NULL)
        return -ENOMEM;
    memset((void *)body->checked, 0, (count / 64 + 1) * sizeof(body->checked[0]));
    body->checksum_count = (uint32_t)count;
    if (file_read(fd, body->checksums, bytes, len, false) != (ssize_t)bytes ||
        large_trailer_checksum(body, &trailer) != trailer.checksum)
        return -EINVAL;
    atomic_store(&body->written, len);
    atomic_store(&body->is_whole, true);
    return 0;
}

static struct large_body *open_stored(struct disk *disk, uint64_t id, uint64_t len)
{
    char               name[LARGE_NAME_BYTES];
    struct large_body *body = body_new(disk, id), *other;

    atomic_store(&body->fd, openat(disk->directory.large_fd, large_file_name(id, name),
                                   O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (atomic_load(&body->fd) < 0 || read_trailer(body, len) < 0) {
        body_free(body);
        return NULL;
    }
    other = large_files_open(&disk->larges, id, body, large_body_try_ref);
    if (other != body)
        body_free(body);
    return other;
}

struct large_body *large_body_take(struct disk *disk, uint64_t id, uint64_t len, bool is_quick)
{
    struct large_body *body = large_files_body(&disk->larges, id, large_body_try_ref);

    if (body == NULL && !is_quick)
        body = open_stored(disk, id, len);
    if (body != NULL && (large_body_written(body) != len || large_body_has_failed(body))) {
        large_body_unref(body);
        body = NULL;
    }
    return body;
}
