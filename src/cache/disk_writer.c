// SPDX-License-Identifier: MIT
/* The thread that writes: takes the directory, loads it, then does what is put into the queue, as long
 * as the cache is open. A thread of its own and not jobs, for it waits (for work, for the time of a
 * snapshot, for a disk that fails) and no loop need be alive meanwhile.
 *
 * What waits is done in one go and written together; purges are synced and told then. When writing
 * fails, nothing is stored for a pause that doubles up to PAUSE_MOST_MS. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>

#include "base/clock.h"
#include "base/pool.h"
#include "cache/disk_parts.h"

enum {
    LOCK_RETRY_MS = 1000,
    IDLE_MS = 1000,
    PAUSE_FIRST_MS = 1000,
    PAUSE_MOST_MS = 30 * 1000,
    SAY_AGAIN_MS = 60 * 1000
};

/* ---- failing ---- */

/* Until the next try. */
static void pause_longer(struct disk *disk, int64_t now_ms)
{
    disk->pause_ms = disk->pause_ms == 0 ? PAUSE_FIRST_MS : disk->pause_ms * 2;
    if (disk->pause_ms > PAUSE_MOST_MS)
        disk->pause_ms = PAUSE_MOST_MS;
    disk->retry_ms = now_ms + disk->pause_ms;
}

void disk_fail(struct disk *disk, const char *what, int error)
{
    int64_t now_ms = clock_mono_ms();

    if (error == -ESHUTDOWN)
        return;
    atomic_fetch_add(&disk->errors, 1);
    pause_longer(disk, now_ms);
    if (disk->said_ms == 0 || now_ms - disk->said_ms >= SAY_AGAIN_MS) {
        disk->said_ms = now_ms;
        disk_note_words(disk, LOG_CRIT, "cache \"%s\": %s failed %s: nothing is stored for now",
                        disk->path, what, log_errno(-error).text);
    }
    atomic_store(&disk->is_failing, true);           /* whoever sees it has something to say */
}

static void retry_if_due(struct disk *disk)
{
    if (atomic_load(&disk->is_failing) && clock_mono_ms() >= disk->retry_ms)
        atomic_store(&disk->is_failing, false);
}

static void note_success(struct disk *disk, uint64_t written_before)
{
    if (disk->pause_ms == 0 || atomic_load(&disk->is_failing) ||
        atomic_load(&disk->written_bytes) == written_before)
        return;
    disk->pause_ms = 0;
    disk_note_words(disk, LOG_NOTICE, "cache \"%s\": is stored to again", disk->path);
}

/* ---- purges ---- */

/* Behind the flush: what was written is synced once for all of them. */
static void tell_purges(struct disk *disk, bool is_written)
{
    struct disk_purge *purge = disk->purges_written, *next;
    int                r = 0;

    disk->purges_written = NULL;
    if (purge != NULL && is_written && (r = disk_log_sync(&disk->log)) < 0)
        disk_fail(disk, "syncing", r);
    for (; purge != NULL; purge = next) {
        next = purge->next;
        purge->has_failed |= !is_written || r < 0;
        disk->snapshot.is_urgent |= purge->has_failed;
        disk_purge_end(purge);
    }
}

/* ---- work ---- */

static void work_run(struct disk *disk, struct disk_work *works)
{
    struct disk_work *next;
    uint64_t          written_before = atomic_load(&disk->written_bytes);
    unsigned          count = 0;
    int               r;

    for (; works != NULL; works = next, count++) {
        next = works->next;
        works->run(disk, works);
    }
    r = disk_log_flush(&disk->log);
    if (r < 0)
        disk_fail(disk, "writing", r);
    else
        note_success(disk, written_before);
    disk_queue_written(&disk->queue, count);
    tell_purges(disk, r == 0);
}

/* Opened at the start, or now when it is time to try again. What is new in it is said when something was
 * written (note_success()). */
static bool has_directory(struct disk *disk)
{
    char    words[DIRECTORY_WORDS_BYTES];
    int64_t now_ms = clock_mono_ms();

    if (!disk_is_away(disk))
        return true;
    if (now_ms < disk->retry_ms || disk->is_leaving)
        return false;
    pause_longer(disk, now_ms);
    if (disk_begin(disk, words) < 0)
        return false;
    if (words[0] != '\0')
        disk_note_words(disk, LOG_WARN, "cache \"%s\": %s", disk->path, words);
    disk->back_serial = disk_serial(disk);
    atomic_store(&disk->is_failing, false);
    return true;
}

/* False: closed before it was ours. */
static bool take_directory(struct disk *disk)
{
    while (!has_directory(disk) || !directory_lock(&disk->directory)) {
        struct disk_work *works = disk_queue_take(&disk->queue, LOCK_RETRY_MS);

        work_run(disk, works);
        if (works == NULL && disk_queue_is_closed(&disk->queue))
            return false;
    }
    return true;
}

/* By serials and labels of before it was opened: nobody can tell what lies there and is meant. */
static void purge_what_was_missed(struct disk *disk)
{
    const struct purge all = { .kind = PURGE_ALL, .serial = disk->back_serial };

    if (!disk->has_missed)
        return;
    disk->has_missed = !purges_add(disk->purges, &all);
    disk->snapshot.is_urgent = true;
}

static void load(struct disk *disk)
{
    int r;

    atomic_store(&disk->state, DISK_LOADING);
    r = disk_load(disk);
    if (r < 0)
        disk_fail(disk, "loading", r);
    purge_what_was_missed(disk);
    atomic_store(&disk->state, DISK_READY);
}

static void say_what_was_dropped(struct disk *disk)
{
    uint64_t dropped = atomic_load(&disk->dropped_writes) - atomic_load(&disk->dropped_before);

    if (disk_is_late(disk) && dropped > 0)
        disk_note_words(disk, LOG_WARN,
                        "cache \"%s\": too slow for the end: %" PRIu64
                        " answers that waited to be written were dropped",
                        disk->path, dropped);
}

static void serve(struct disk *disk)
{
    struct disk_work *works;

    do {
        works = disk_queue_take(&disk->queue, disk->sweep == NULL ? IDLE_MS : 0);
        retry_if_due(disk);
        work_run(disk, works);
        purge_what_was_missed(disk);
        disk_sweep_step(disk);
        segments_bury(&disk->segments);
        disk_shrink(disk);
        disk_evict_inactive(disk);
        disk_snapshot_if_due(disk);
    } while (!disk->is_leaving && (works != NULL || !disk_queue_is_closed(&disk->queue)));
    if (!disk_is_late(disk) || disk->snapshot.is_urgent)     /* else the former one stands */
        disk_snapshot_at_end(disk);
    say_what_was_dropped(disk);
}

/* The directory is another process's by now: what comes is dropped, until the cache is closed. */
static void drop_the_rest(struct disk *disk)
{
    struct disk_work *works;

    do {
        works = disk_queue_take(&disk->queue, IDLE_MS);
        work_run(disk, works);
        segments_bury(&disk->segments);
    } while (works != NULL || !disk_queue_is_closed(&disk->queue));
}

static void *writer_run(void *arg)
{
    struct disk *disk = arg;
    sigset_t     all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    if (take_directory(disk)) {
        load(disk);
        serve(disk);
        atomic_store(&disk->state, DISK_CLOSED);
        disk_log_done(&disk->log);
        directory_unlock(&disk->directory);
        drop_the_rest(disk);
    }
    pools_drain();
    return NULL;
}

int disk_writer_start(struct disk *disk)
{
    return -pthread_create(&disk->writer, NULL, writer_run, disk);
}

void disk_writer_stop(struct disk *disk)
{
    disk_queue_close(&disk->queue);
    (void)pthread_join(disk->writer, NULL);
}
