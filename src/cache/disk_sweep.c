// SPDX-License-Identifier: MIT
#include "cache/disk_sweep.h"

#include <errno.h>

#include "cache/disk_parts.h"

enum { STEP_BYTES = 8 * 1024 * 1024, STEP_RECORDS = 1024 };

static void end(struct disk *disk, int result)
{
    struct disk_sweep *sweep = disk->sweep;

    disk->sweep = NULL;
    sweep->result = result;
    if (sweep->segment != NULL) {
        disk_walk_end(&sweep->walk);
        segment_unref(sweep->segment);
    }
    sweep->done(sweep);
}

static void run(struct disk *disk, struct disk_work *work)
{
    struct disk_sweep *sweep = container_of(work, struct disk_sweep, work);

    must(disk->sweep == NULL);
    disk->sweep = sweep;
    if (disk_is_ready(disk))
        segments_range(&disk->segments, &sweep->next, &sweep->last);
    else                                 /* what lies in a directory that is away is judged when it is back */
        end(disk, disk_is_away(disk) ? 0 : -EAGAIN);
}

bool disk_sweep_start(struct disk *disk, struct disk_sweep *sweep)
{
    sweep->gone = 0;
    sweep->oldest_stale = UINT64_MAX;
    sweep->segment = NULL;
    atomic_store(&sweep->is_cancelled, false);
    sweep->work = (struct disk_work){ .run = run };
    return disk_queue_put(&disk->queue, &sweep->work);
}

/* ---- from record to record ---- */

static void judge(struct disk *disk, struct disk_sweep *sweep, const struct record *record,
                  uint64_t place)
{
    const struct object_parts *parts = &record->parts;
    enum purge_verdict         verdict;
    bool                       is_used;

    if (record->kind != RECORD_OBJECT)
        return;
    verdict = purges_judge_record(disk->purges, parts->facts.serial, parts->key.text, parts->labels,
                                  parts->label_count);
    if (verdict == PURGE_GONE && disk_index_take(disk->index, parts->key.hash, place)) {
        sweep->gone++;
        if (record->large_id != 0)
            large_files_drop_place(&disk->larges, place);
    } else if (verdict == PURGE_STALE && parts->facts.serial < sweep->oldest_stale &&
               disk_index_has(disk->index, parts->key.hash, place, &is_used)) {
        sweep->oldest_stale = parts->facts.serial;
    }
}

/* False: there are no more segments. */
static bool next_segment(struct disk *disk, struct disk_sweep *sweep, int *reterr)
{
    while (sweep->segment == NULL && sweep->next != 0 && sweep->next <= sweep->last)
        sweep->segment = segments_take(&disk->segments, sweep->next++);
    if (sweep->segment == NULL)
        return false;
    *reterr = disk_walk_begin(&sweep->walk, sweep->segment, disk->seed, 0);
    return true;
}

/* Some of the segment at hand. */
static int walk_some(struct disk *disk, struct disk_sweep *sweep)
{
    uint64_t      from = sweep->walk.at, place;
    struct record record;

    for (unsigned i = 0; i < STEP_RECORDS && sweep->walk.at - from < STEP_BYTES; i++) {
        if (!disk_walk_next(&sweep->walk, &record, &place)) {
            int error = sweep->walk.error;

            disk_walk_end(&sweep->walk);
            segment_unref(sweep->segment);
            sweep->segment = NULL;
            return error;
        }
        judge(disk, sweep, &record, place);
    }
    return 0;
}

void disk_sweep_step(struct disk *disk)
{
    struct disk_sweep *sweep = disk->sweep;
    int                r = 0;

    if (sweep == NULL)
        return;
    if (atomic_load(&sweep->is_cancelled))
        end(disk, -ECANCELED);
    else if (sweep->segment == NULL && !next_segment(disk, sweep, &r))
        end(disk, 0);
    else if (r < 0 || (r = walk_some(disk, sweep)) < 0)
        end(disk, r);
}
