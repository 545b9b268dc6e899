// SPDX-License-Identifier: MIT
/* Room on the disk: the oldest segment goes as a whole. */
#include <errno.h>
#include <sys/statvfs.h>

#include "cache/disk_parts.h"

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

static bool has_room(struct disk *disk, uint64_t bytes)
{
    return disk_used(disk) + bytes <= atomic_load(&disk->max_size) && has_free(disk, bytes);
}

/* -ENOENT: there is none. */
static int evict_oldest(struct disk *disk)
{
    struct segment *segment = segments_take_oldest(&disk->segments);
    int             r = 0;

    if (segment == NULL)
        return -ENOENT;
    if (segment == disk->log.active) {
        r = disk_log_flush(&disk->log);
        if (r == 0)
            disk_log_seal(&disk->log);
    }
    if (r == 0) {
        atomic_fetch_add(&disk->evicted, disk_index_drop_segment(disk->index, segment->number));
        large_files_drop_segment(&disk->larges, segment->number);
        segments_drop(&disk->segments, segment);
    }
    segment_unref(segment);
    segments_bury(&disk->segments);
    return r;
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
