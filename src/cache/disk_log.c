// SPDX-License-Identifier: MIT
#include "cache/disk_log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "cache/disk_parts.h"

enum {
    STAGE_BYTES = 2 * RECORD_META_MOST,
    WRITE_MOST = 256 * 1024              /* at a time: nobody may wait long for what is written already */
};

void disk_log_init(struct disk_log *log, struct disk *disk)
{
    log->disk = disk;
    log->next_number = 1;
}

static void pending_drop(struct disk_log *log)
{
    for (unsigned i = 0; i < log->pending_count; i++)
        if (log->pending[i].object != NULL)
            disk_unqueue(log->disk, log->pending[i].object);
    atomic_fetch_add(&log->disk->dropped_writes, log->pending_count);
    log->pending_count = 0;
}

void disk_log_done(struct disk_log *log)
{
    pending_drop(log);
    if (log->active != NULL)
        segment_unref(log->active);
    log->active = NULL;
    MEM_FREE(&log->stage);
}

uint64_t disk_log_staged(const struct disk_log *log)
{
    return log->staged;
}

void disk_log_seal(struct disk_log *log)
{
    must(log->staged == 0 && log->pending_count == 0);
    if (log->active == NULL)
        return;
    segment_unref(log->active);
    log->active = NULL;
}

/* What is behind the last whole record is cut off, and nothing more is written here. */
static void give_up(struct disk_log *log)
{
    uint64_t extra = log->written - log->sound;

    log->staged = 0;
    pending_drop(log);
    if (log->active == NULL)
        return;
    if (ftruncate(log->active->fd, (off_t)log->sound) == 0)
        segment_grow(log->active, -extra);
    if (log->sound == 0)
        segments_drop(&log->disk->segments, log->active);
    disk_log_seal(log);
}

/* ---- writing ---- */

static int stage_write(struct disk_log *log)
{
    size_t  done = 0;
    ssize_t n;

    while (done < log->staged) {
        size_t most = log->staged - done < WRITE_MOST ? log->staged - done : WRITE_MOST;

        if (disk_is_late(log->disk))
            return -ESHUTDOWN;
        n = pwrite(log->active->fd, log->stage + done, most, (off_t)log->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENOSPC;
        done += (size_t)n;
        log->written += (size_t)n;
        segment_grow(log->active, (uint64_t)n);
        atomic_fetch_add(&log->disk->written_bytes, (uint64_t)n);
    }
    if (done > 0)
        atomic_store(&log->active->used_ms, clock_mono_ms());
    log->staged = 0;
    return 0;
}

static void publish(struct disk_log *log, struct log_pending *pending)
{
    uint64_t former;

    if (!disk_index_put(log->disk->index, &pending->row, &former)) {
        atomic_fetch_add(&log->disk->dropped_writes, 1);
    } else {
        if (pending->large_id != 0)
            large_files_name(&log->disk->larges, pending->large_id, &pending->row);
        if (former != 0 && record_place_is_large(former))
            large_files_drop_place(&log->disk->larges, former);
        if (pending->object != NULL)
            atomic_store(&pending->object->place, pending->row.place);
    }
    if (pending->object != NULL)
        disk_unqueue(log->disk, pending->object);
}

int disk_log_flush(struct disk_log *log)
{
    int r;

    if (log->active == NULL)
        return 0;
    r = stage_write(log);
    if (r < 0) {
        give_up(log);
        return r;
    }
    for (unsigned i = 0; i < log->pending_count; i++)
        publish(log, &log->pending[i]);
    log->pending_count = 0;
    log->sound = log->written;
    return 0;
}

int disk_log_sync(struct disk_log *log)
{
    int r = disk_log_flush(log);

    if (r == 0 && log->active != NULL && fdatasync(log->active->fd) < 0)
        r = -errno;
    return r;
}

/* ---- appending ---- */

static int segment_begin(struct disk_log *log)
{
    struct disk    *disk = log->disk;
    struct segment *segment;
    int             r;

    if (log->stage == NULL && (log->stage = mem_try(STAGE_BYTES)) == NULL)
        return -ENOMEM;
    r = segments_add(&disk->segments, log->next_number, true, &segment);
    if (r < 0)
        return r;
    disk_index_newest(disk->index, log->next_number);
    log->next_number++;
    log->active = segments_take(&disk->segments, segment->number);
    log->written = log->sound = log->large_bytes = 0;
    return 0;
}

/* There is an active segment with room for it afterwards. */
static int prepare(struct disk_log *log, uint64_t bytes)
{
    uint64_t size = atomic_load(&log->disk->segment_size), used = log->written + log->staged;
    int      r = 0;

    if (log->pending_count == LOG_PENDING_MOST || log->staged >= WRITE_MOST)
        r = disk_log_flush(log);
    if (r == 0 && log->active != NULL && used > 0 && used + log->large_bytes + bytes > size) {
        r = disk_log_sync(log);
        if (r == 0)
            disk_log_seal(log);
    }
    if (r == 0 && log->active == NULL)
        r = segment_begin(log);
    return r;
}

/* Room in the stage for `len` bytes, which are counted as used. NULL: writing failed. */
static unsigned char *stage_take(struct disk_log *log, size_t len, int *reterr)
{
    int r = 0;

    if (len > STAGE_BYTES - log->staged)
        r = stage_write(log);
    if (r < 0) {
        *reterr = r;
        return NULL;
    }
    log->staged += len;
    if (log->staged > atomic_load_explicit(&log->stage_used, memory_order_relaxed))
        atomic_store_explicit(&log->stage_used, log->staged, memory_order_relaxed);
    return log->stage + log->staged - len;
}

static int put_bytes(struct disk_log *log, const unsigned char *bytes, size_t len)
{
    int r = 0;

    for (size_t at = 0, n; at < len; at += n) {
        unsigned char *to;

        n = len - at < STAGE_BYTES ? len - at : STAGE_BYTES;
        to = stage_take(log, n, &r);
        if (to == NULL)
            return r;
        memcpy(to, bytes + at, n);
    }
    return 0;
}

static int put_object_body(struct disk_log *log, const struct object *object)
{
    struct slice part;
    int          r = 0;

    for (uint64_t at = 0; at < object->body_len && r == 0; at += part.len) {
        part = object_slice(object, at, UINT32_MAX);
        r = put_bytes(log, slice_ptr(part), part.len);
        slice_unref(part);
    }
    return r;
}

static int put_body(struct disk_log *log, const struct record *record, const struct object *object,
                    struct text body)
{
    static const unsigned char zeros[RECORD_ALIGN];
    int                        r;

    if (record->kind != RECORD_OBJECT || record->large_id != 0)
        return 0;
    r = object != NULL ? put_object_body(log, object)
                       : put_bytes(log, (const unsigned char *)body.ptr, body.len);
    if (r == 0)
        r = put_bytes(log, zeros, (size_t)(record_padded(record->body_len) - record->body_len));
    return r;
}

static int put_record(struct disk_log *log, const struct record *record, uint64_t place,
                      const struct object *object, struct text body)
{
    size_t         meta = (size_t)record_padded(record_meta_bytes(record));
    int            r = 0;
    unsigned char *to = stage_take(log, meta, &r);

    if (to == NULL)
        return r;
    record_encode(record, record_seal(log->disk->seed, place), to);
    return put_body(log, record, object, body);
}

static void remember(struct disk_log *log, const struct record *record, uint64_t place,
                     struct object *object)
{
    struct log_pending *pending = &log->pending[log->pending_count];

    if (record->kind != RECORD_OBJECT)
        return;
    if (disk_row_of(log->disk, record, place, &pending->row) < 0) {
        if (object != NULL)
            disk_unqueue(log->disk, object);
        return;
    }
    pending->object = object;
    log->pending_count++;
    pending->large_id = record->large_id;
    if (record->large_id != 0)
        log->large_bytes += record->body_len;
}

int disk_log_append(struct disk_log *log, const struct record *record, struct object *object,
                    struct text body)
{
    uint64_t bytes = record_bytes(record), place;
    int      r = prepare(log, bytes);

    if (r < 0) {
        if (log->active != NULL)
            give_up(log);
        return r;
    }
    place = record_place_of(record, log->active->number, (uint32_t)(log->written + log->staged));
    r = put_record(log, record, place, object, body);
    if (r == 0)
        remember(log, record, place, object);
    else
        give_up(log);
    return r;
}
