// SPDX-License-Identifier: MIT
/* At the start: the segments that are there, oldest first, each record in order. What a record says
 * replaces what an earlier one said; purges go to the book, by which each object is judged when it is
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
        (void)!disk_index_put(disk->index, &row, &former);
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
    while (disk_walk_next(&walk, &record, &place))
        replay_record(disk, &record, place);
    atomic_fetch_add(&disk->damaged, walk.damaged);
    if (walk.error < 0)
        atomic_fetch_add(&disk->errors, 1);
    disk_walk_end(&walk);
    return 0;
}

/* A file that cannot be opened is left alone; its number is never given again. */
static int load_segment(struct disk *disk, uint32_t number)
{
    struct segment *segment;
    int             r = segments_add(&disk->segments, number, false, &segment);

    disk->log.next_number = number + 1;
    if (r < 0) {
        atomic_fetch_add(&disk->errors, 1);
        return 0;
    }
    disk_index_newest(disk->index, number);
    return replay_segment(disk, segment, 0);
}

/* Only so many numbers may lie between the oldest and the newest: what is older is removed. */
static bool is_too_old(const struct numbers *list, uint32_t number)
{
    return list->numbers[list->count - 1] - number >= DISK_INDEX_SEGMENTS_MOST;
}

static void remove_segment(struct disk *disk, uint32_t number)
{
    char name[32];

    (void)unlinkat(disk->directory.fd, directory_segment_name(number, name).ptr, 0);
}

int disk_load(struct disk *disk)
{
    struct numbers list = { .numbers = NULL };
    int            r = list_segments(disk, &list);

    for (size_t i = 0; i < list.count && r == 0; i++) {
        if (is_too_old(&list, list.numbers[i]))
            remove_segment(disk, list.numbers[i]);
        else
            r = load_segment(disk, list.numbers[i]);
    }
    mem_free(list.numbers);
    return r;
}
