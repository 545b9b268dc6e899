// SPDX-License-Identifier: MIT
/* At the start: the snapshot, then what the segments hold behind it, record by record, oldest first.
 * What a record says replaces what an earlier one said; purges go to the book, by which each object is judged when it is
 * read. Writing goes on in a new segment, so a torn tail is never written behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cache/disk_parts.h"
#include "cache/disk_walk.h"

struct numbers {
    uint32_t *numbers;
    size_t    count, capacity;
};

static void numbers_add(struct numbers *list, uint32_t number)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        list->numbers = mem_resize(list->numbers, list->capacity * sizeof(list->numbers[0]));
    }
    list->numbers[list->count++] = number;
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static int list_segments(struct disk *disk, struct numbers *list)
{
    int            fd = openat(disk->directory.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR           *open = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    uint32_t       number;

    if (open == NULL) {
        int error = errno;

        if (fd >= 0)
            (void)close(fd);
        return -error;
    }
    while ((entry = readdir(open)) != NULL)
        if ((number = directory_segment_number(entry->d_name)) > 0)
            numbers_add(list, number);
    (void)closedir(open);
    if (list->count > 0)
        qsort(list->numbers, list->count, sizeof(list->numbers[0]), compare_numbers);
    return 0;
}

/* ---- replay ---- */

static void replay_record(struct disk *disk, const struct record *record, uint64_t place)
{
    struct index_row row;
    uint64_t         former;

    if (record->kind == RECORD_PURGE) {
        if (!purges_add(disk->purges, &record->purge))
            atomic_fetch_add(&disk->errors, 1);
    } else if (disk_row_of(disk, record, place, &row) == 0) {
        if (disk_index_put(disk->index, &row, &former) && record->large_id != 0)
            large_files_name(&disk->larges, record->large_id, &row);
    }
}

static int replay_segment(struct disk *disk, struct segment *segment, uint64_t from)
{
    struct disk_walk walk;
    struct record    record;
    uint64_t         place;
    int              r = disk_walk_begin(&walk, segment, disk->seed, from);

    if (r < 0)
        return r;
    while (disk_walk_next(&walk, &record, &place)) {
        replay_record(disk, &record, place);
        disk->snapshot.forced++;
    }
    atomic_fetch_add(&disk->damaged, walk.damaged);
    if (walk.error < 0)
        atomic_fetch_add(&disk->errors, 1);
    disk_walk_end(&walk);
    return 0;
}

/* A file that cannot be opened is left alone; its number is never given again. */
static void add_segment(struct disk *disk, uint32_t number)
{
    struct segment *segment;

    disk->log.next_number = number + 1;
    if (segments_add(&disk->segments, number, false, &segment) < 0)
        atomic_fetch_add(&disk->errors, 1);
    else
        disk_index_newest(disk->index, number);
}

/* Only so many numbers may lie between the oldest and the newest: what is older is removed. */
static bool is_too_old(const struct numbers *list, uint32_t number)
{
    return list->numbers[list->count - 1] - number >= DISK_INDEX_SEGMENTS_MOST;
}

static void add_segments(struct disk *disk, const struct numbers *list)
{
    char name[32];

    for (size_t i = 0; i < list->count; i++) {
        if (is_too_old(list, list->numbers[i]))
            (void)unlinkat(disk->directory.fd, directory_segment_name(list->numbers[i], name).ptr,
                           0);
        else
            add_segment(disk, list->numbers[i]);
    }
}

/* What is newer than the snapshot; all of it when there is none that holds. */
static int replay(struct disk *disk, const struct numbers *list)
{
    struct snapshot_position from = { .segment = 0 };
    int                      r = disk_snapshot_load(disk, &from);

    if (r < 0 && r != -ENOENT)
        atomic_fetch_add(&disk->damaged, 1);
    if (r < 0)
        from = (struct snapshot_position){ .segment = 0 };
    if (from.segment >= disk->log.next_number)
        disk->log.next_number = from.segment + (from.offset > 0);
    r = 0;
    for (size_t i = 0; i < list->count && r == 0; i++) {
        struct segment *segment = segments_take(&disk->segments, list->numbers[i]);

        if (segment == NULL)
            continue;
        if (segment->number >= from.segment)
            r = replay_segment(disk, segment, segment->number == from.segment ? from.offset : 0);
        segment_unref(segment);
    }
    return r;
}

int disk_load(struct disk *disk)
{
    struct numbers list = { .numbers = NULL };
    int            r = list_segments(disk, &list);

    if (r == 0) {
        (void)unlinkat(disk->directory.fd, "index.new", 0);
        add_segments(disk, &list);
        r = large_files_list(&disk->larges);
        if (r == 0)
            r = replay(disk, &list);
        large_files_drop_unnamed(&disk->larges, disk->index);
    }
    mem_free(list.numbers);
    return r;
}
