// SPDX-License-Identifier: MIT
/* Room on the disk: the oldest segment goes as a whole. Before it does, what was asked for since it was
 * written is appended anew, up to half of the segment: so it at most doubles what is written. */
#include <errno.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/disk_parts.h"

enum { KEPT_SHARE = 2 };                 /* of a segment, at most one in so many bytes is kept */

uint64_t disk_used(struct disk *disk)
{
    return atomic_load(&disk->segments.bytes) + atomic_load(&disk->larges.bytes) +
           disk_log_staged(&disk->log) + DISK_OVERHEAD_BYTES + disk_snapshot_reserve(disk);
}

static bool has_free(struct disk *disk, uint64_t bytes)
{
    uint64_t       min_free = atomic_load(&disk->min_free);
    struct statvfs file_system;

    if (min_free == 0 || fstatvfs(disk->directory.fd, &file_system) < 0)
        return true;
    return (uint64_t)file_system.f_bavail * file_system.f_frsize >= min_free + bytes;
}

/* What eviction appends before it deletes has room as well. */
static bool has_room(struct disk *disk, uint64_t bytes)
{
    uint64_t kept = atomic_load(&disk->segment_size) / KEPT_SHARE;

    return disk_used(disk) + bytes + kept <= atomic_load(&disk->max_size) && has_free(disk, bytes);
}

/* ---- what is kept ---- */

static int append_again(struct disk *disk, struct record *record, struct text bytes)
{
    size_t      from = (size_t)record_padded(record_meta_bytes(record));
    struct text body = TEXT_NONE;

    if (!disk_may_write(disk, record))
        return 0;
    if (record->large_id == 0) {
        body = text_part(bytes, from, (size_t)record->body_len);
        if (record_body_checksum(disk->seed, body) != record->body_checksum)
            return 0;
    }
    return disk_log_append(&disk->log, record, NULL, body);
}

/* The record at this place, if all of it is there. */
static int keep(struct disk *disk, const struct segment *segment, uint64_t place)
{
    uint64_t       offset = record_place_offset(place), end = atomic_load(&segment->bytes);
    uint64_t       left = offset < end ? end - offset : 0, size = record_place_size(place);
    size_t         len = (size_t)(size < left ? size : left);
    char          *bytes = mem_try(len + 1);
    struct record  record;
    struct text    text;
    int            r = 0;

    if (bytes == NULL)
        return 0;
    text = text_of(bytes, len);
    if (segment_read(segment, bytes, len, offset, false) == (ssize_t)len &&
        record_decode(text, record_seal(disk->seed, place), &record) == 0 &&
        record.kind == RECORD_OBJECT && record_bytes(&record) <= len)
        r = append_again(disk, &record, text);
    mem_free(bytes);
    return r;
}

static uint64_t kept_bytes(uint64_t place)
{
    return record_place_is_large(place) ? RECORD_HEAD_BYTES : record_place_size(place);
}

static int keep_used(struct disk *disk, const struct segment *segment)
{
    uint64_t  budget = atomic_load(&segment->bytes) / KEPT_SHARE, most;
    size_t    count;
    uint64_t *places = disk_index_used(disk->index, segment->number, &count);
    int       r = 0;

    most = atomic_load(&disk->segment_size) / KEPT_SHARE;
    if (budget > most)
        budget = most;
    for (size_t i = 0; i < count && r == 0; i++) {
        uint64_t size = kept_bytes(places[i]);

        if (size > budget)
            continue;
        budget -= size;
        r = keep(disk, segment, places[i]);
    }
    mem_free(places);
    return r == 0 ? disk_log_flush(&disk->log) : r;
}

/* ---- what goes ---- */

/* -ENOENT: there is none. What was staged is published first: or an old version that is kept would be
 * appended behind its replacement. When that fails, nothing is staged any more. */
static int evict_oldest(struct disk *disk)
{
    struct segment *segment;
    int             r = disk_log_flush(&disk->log);

    if (r < 0)
        disk_fail(disk, "writing", r);
    segment = segments_take_oldest(&disk->segments);
    if (segment == NULL)
        return -ENOENT;
    if (segment == disk->log.active)
        disk_log_seal(&disk->log);
    /* On a full disk it fails: then they go as well, and there is room. */
    (void)keep_used(disk, segment);
    atomic_fetch_add(&disk->evicted, disk_index_drop_segment(disk->index, segment->number));
    large_files_drop_segment(&disk->larges, segment->number);
    segments_drop(&disk->segments, segment);
    segment_unref(segment);
    segments_bury(&disk->segments);
    return 0;
}

int disk_make_room(struct disk *disk, uint64_t bytes)
{
    while (!has_room(disk, bytes)) {
        int r = evict_oldest(disk);

        if (r < 0)
            return r != -ENOENT ? r : has_free(disk, bytes) ? -EFBIG : -ENOSPC;
    }
    return 0;
}

void disk_shrink(struct disk *disk)
{
    while (!has_room(disk, 0) && evict_oldest(disk) == 0) {
    }
}

/* More than evicting it would keep. */
static bool is_mostly_used(struct disk *disk, const struct segment *segment)
{
    uint64_t  used = 0;
    size_t    count;
    uint64_t *places = disk_index_used(disk->index, segment->number, &count);

    for (size_t i = 0; i < count; i++)
        used += kept_bytes(places[i]);
    mem_free(places);
    return used > atomic_load(&segment->bytes) / KEPT_SHARE;
}

void disk_evict_inactive(struct disk *disk)
{
    int64_t         inactive_ms = atomic_load(&disk->inactive_ms);
    struct segment *segment = inactive_ms == 0 ? NULL : segments_take_oldest(&disk->segments);
    bool            is_due, is_used;

    if (segment == NULL)
        return;
    is_due = clock_mono_ms() - atomic_load(&segment->used_ms) > inactive_ms;
    is_used = is_due && is_mostly_used(disk, segment);
    if (is_used) {                       /* its time begins anew, and that of all in it */
        disk_index_forget_uses(disk->index, segment->number);
        atomic_store(&segment->used_ms, clock_mono_ms());
    }
    segment_unref(segment);
    if (is_due && !is_used)
        (void)evict_oldest(disk);
}
