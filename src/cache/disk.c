// SPDX-License-Identifier: MIT
/* Opening, closing and what loops ask for; how it is done stands in the other disk_ files. */
#include "cache/disk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "cache/disk_parts.h"
#include "cache/large_parts.h"
#include "net/loop.h"

#define MEGABYTES(n) ((uint64_t)(n) << 20)

enum { START_BITS = 40 };                /* serials of one opening */

/* ---- opening and closing ---- */

/* Up to 256 MB so that an index entry's 24 bits reach everywhere; small caches have small segments, or
 * evicting one would be felt. */
static uint64_t segment_size_for(const struct disk_settings *settings, uint64_t max_size)
{
    uint64_t size = settings->segment_size;

    if (size == 0 && max_size < MEGABYTES(1024))
        size = max_size / 16 < MEGABYTES(64) ? max_size / 16 : MEGABYTES(64);
    else if (size == 0)
        size = max_size / 64 < MEGABYTES(64) ? MEGABYTES(64) : max_size / 64;
    if (size < MEGABYTES(1) / 4)
        size = MEGABYTES(1) / 4;
    return size > MEGABYTES(256) ? MEGABYTES(256) : size;
}

void disk_set(struct disk *disk, const struct disk_settings *settings)
{
    uint64_t max_size = settings->max_size == 0 ? MEGABYTES(10240) : settings->max_size;
    uint64_t queue_most = settings->queue_bytes;

    if (queue_most == 0 || queue_most > DISK_QUEUE_MOST)
        queue_most = DISK_QUEUE_MOST;
    atomic_store(&disk->max_size, max_size);
    atomic_store(&disk->min_free, settings->min_free);
    atomic_store(&disk->segment_size, segment_size_for(settings, max_size));
    atomic_store(&disk->inactive_ms, settings->inactive_ms);
    atomic_store(&disk->snapshot_ms, settings->snapshot_ms);
    atomic_store(&disk->queue_most, queue_most);
}

static struct disk *disk_new(const struct disk_settings *settings, struct purges *purges)
{
    struct disk *disk = mem_new(sizeof(*disk));
    uint64_t     seed;

    atomic_init(&disk->refs, 1);
    disk->path = mem_string(settings->path.ptr, settings->path.len);
    disk->purges = purges;
    disk->opened = settings->opened;
    disk->opened_arg = settings->arg;
    random_secret(&seed, sizeof(seed));
    atomic_init(&disk->seed, settings->seed == 0 ? seed : settings->seed);
    disk_set(disk, settings);
    disk_queue_init(&disk->queue);
    disk_reads_init(&disk->reading);
    pthread_mutex_init(&disk->words.lock, NULL);
    disk_log_init(&disk->log, disk);
    disk->varies = disk_vary_new();
    return disk;
}

static void disk_free(struct disk *disk)
{
    disk_log_done(&disk->log);
    if (disk->index != NULL) {
        segments_done(&disk->segments);
        large_files_done(&disk->larges);
        disk_index_free(&disk->index);
        directory_close(&disk->directory);
    }
    disk_vary_free(&disk->varies);
    disk_queue_done(&disk->queue);
    disk_reads_done(&disk->reading);
    pthread_mutex_destroy(&disk->words.lock);
    mem_free(disk->path);
    mem_free(disk);
}

struct disk *disk_ref(struct disk *disk)
{
    atomic_fetch_add_explicit(&disk->refs, 1, memory_order_relaxed);
    return disk;
}

void disk_unref(struct disk *disk)
{
    if (atomic_fetch_sub_explicit(&disk->refs, 1, memory_order_acq_rel) == 1)
        disk_free(disk);
}

int disk_begin(struct disk *disk, char ret_words[DIRECTORY_WORDS_BYTES])
{
    int r = directory_open(disk->path, disk->seed, &disk->directory, ret_words);

    if (r < 0)
        return r;
    disk->seed = disk->directory.seed;
    disk->index = disk_index_new(disk->seed);
    segments_init(&disk->segments, disk->directory.fd);
    large_files_init(&disk->larges, disk->directory.large_fd);
    if (disk->opened != NULL)
        disk->opened(disk->seed, disk_serial(disk), disk->opened_arg);
    atomic_store(&disk->state, DISK_WAITING);
    return 0;
}

int disk_open(const struct disk_settings *settings, struct purges *purges, struct disk **ret_disk,
              struct text *ret_complaint)
{
    static _Thread_local char words[DIRECTORY_WORDS_BYTES];
    struct disk              *disk = disk_new(settings, purges);
    int                       r = disk_begin(disk, words);

    *ret_complaint = text_from(words);
    atomic_store(&disk->is_failing, r < 0);
    if (r == 0 || disk->opened != NULL)
        r = disk_writer_start(disk);
    if (r < 0) {
        disk_unref(disk);
        return r;
    }
    *ret_disk = disk;
    return 0;
}

void disk_expire(struct disk *disk)
{
    if (atomic_load(&disk->end_ms) != 0)
        return;
    atomic_store(&disk->dropped_before, atomic_load(&disk->dropped_writes));
    atomic_store(&disk->end_ms, clock_mono_ms() + DISK_END_MS);
}

bool disk_is_late(const struct disk *disk)
{
    int64_t end_ms = atomic_load_explicit(&disk->end_ms, memory_order_relaxed);

    return end_ms != 0 && clock_mono_ms() >= end_ms;
}

void disk_close(struct disk **disk)
{
    struct disk *closed = *disk;

    if (closed == NULL)
        return;
    *disk = NULL;
    disk_expire(closed);
    disk_writer_stop(closed);
    disk_say(closed);
    atomic_store(&closed->state, DISK_CLOSED);
    disk_log_done(&closed->log);
    disk_unref(closed);
}

struct leave_work {
    struct disk_work work;
};

static void leave_run(struct disk *disk, struct disk_work *work)
{
    disk->is_leaving = disk_is_ready(disk) || disk_is_away(disk);
    mem_free(container_of(work, struct leave_work, work));
}

void disk_leave(struct disk *disk)
{
    struct leave_work *leave = mem_new(sizeof(*leave));

    leave->work.run = leave_run;
    if (!disk_queue_put(&disk->queue, &leave->work))
        mem_free(leave);
}

void disk_set_above(struct disk *disk, struct memory *memory)
{
    disk->memory = memory;
}

uint64_t disk_seed(const struct disk *disk)
{
    return disk->seed;
}

uint64_t disk_serial(const struct disk *disk)
{
    return disk->directory.start << START_BITS;
}

bool disk_is_away(const struct disk *disk)
{
    return atomic_load(&disk->state) == DISK_AWAY;
}

bool disk_is_ready(const struct disk *disk)
{
    return atomic_load(&disk->state) == DISK_READY;
}

/* ---- words ---- */

void disk_note_words(struct disk *disk, enum log_level level, const char *format, ...)
{
    struct disk_words *words = &disk->words;
    va_list            args;

    pthread_mutex_lock(&words->lock);
    words->level = level;
    va_start(args, format);
    (void)vsnprintf(words->line, sizeof(words->line), format, args);
    va_end(args);
    atomic_store(&words->has_line, true);
    pthread_mutex_unlock(&words->lock);
}

void disk_say(struct disk *disk)
{
    struct disk_words *words = &disk->words;
    char               line[DIRECTORY_WORDS_BYTES];
    enum log_level     level;

    if (!atomic_load_explicit(&words->has_line, memory_order_relaxed))
        return;
    pthread_mutex_lock(&words->lock);
    memcpy(line, words->line, sizeof(line));
    level = words->level;
    if (!atomic_exchange(&words->has_line, false))
        line[0] = '\0';
    pthread_mutex_unlock(&words->lock);
    if (line[0] != '\0')
        log_at(level, NULL, "%s", line);
}

/* ---- finding ---- */

uint64_t disk_find(struct disk *disk, const struct cache_key *key, struct variant_ask *ask)
{
    return disk_is_ready(disk) ? disk_index_find(disk->index, disk->varies, key->hash, ask) : 0;
}

bool disk_may_have(struct disk *disk, struct cache_hash hash)
{
    return !disk_is_ready(disk) || disk_queue_unwritten(&disk->queue) > 0 ||
           disk_index_has_key(disk->index, hash);
}

void disk_note_use(struct disk *disk, const struct object *object)
{
    uint16_t vary;

    if (disk_is_ready(disk) && disk_vary_number(disk->varies, object_vary(object), &vary))
        disk_index_use(disk->index, object->hash, vary,
                       disk_index_variant(disk->index, object->hash, object_variant(object)));
}

int disk_row_of(struct disk *disk, const struct record *record, uint64_t place,
                struct index_row *ret_row)
{
    const struct object_parts *parts = &record->parts;

    *ret_row = (struct index_row){ .hash = parts->key.hash,
                                   .place = place,
                                   .variant = disk_index_variant(disk->index, parts->key.hash, parts->variant),
                                   .date_s = disk_index_date(parts->facts.date_s) };
    return disk_vary_number(disk->varies, parts->vary, &ret_row->vary) ? 0 : -ENOSPC;
}

/* ---- storing ---- */

struct store_work {
    struct disk_work work;
    struct object   *object;             /* NULL: handed on to the log */
};

static uint64_t queued_bytes(const struct object *object)
{
    return object_bytes(object) + object_allocated(sizeof(struct store_work));
}

void disk_unqueue(struct disk *disk, struct object *object)
{
    disk_queue_release(&disk->queue, queued_bytes(object));
    if (atomic_exchange(&object->queued, OBJECT_UNQUEUED) == OBJECT_QUEUED_OWED)
        memory_settle(disk->memory, object);
    object_unref(object);
}

static struct record record_of(const struct disk *disk, const struct object *object)
{
    return (struct record){
        .kind = RECORD_OBJECT,
        .body_len = object->body_len,
        .body_checksum = object->large != NULL ? 0 : record_object_checksum(disk->seed, object),
        .large_id = object->large != NULL ? large_body_id(object->large) : 0,
        .parts = { .facts = object->facts,
                   .key = { .text = object_key(object), .hash = object->hash },
                   .vary = object_vary(object),
                   .variant = object_variant(object),
                   .head = object_head(object),
                   .labels = object_labels(object),
                   .label_count = object->label_count },
    };
}

bool disk_may_write(struct disk *disk, struct record *record)
{
    struct object_parts *parts = &record->parts;
    enum purge_verdict   verdict = purges_judge_record(disk->purges, parts->facts.serial,
                                                     parts->key.text, parts->labels,
                                                     parts->label_count);

    if (verdict == PURGE_STALE)
        parts->facts.lifetime_s = 0;
    return verdict != PURGE_GONE;
}

/* Its large body, if it has one, is whole. */
static bool is_written(const struct object *object)
{
    return object->large == NULL ||
           (large_body_is_whole(object->large) && !large_body_has_failed(object->large));
}

static int store(struct disk *disk, struct store_work *work)
{
    struct object *object = work->object;
    struct record  record = record_of(disk, object);
    uint64_t       bytes = record_bytes(&record);
    int            r;

    if (!disk_may_write(disk, &record) || record_meta_bytes(&record) > RECORD_META_MOST ||
        bytes > atomic_load(&disk->segment_size) || !is_written(object))
        return 0;
    r = disk_make_room(disk, bytes);
    if (r == 0)
        r = disk_log_append(&disk->log, &record, object, TEXT_NONE);
    if (r == 0)
        work->object = NULL;
    return r;
}

static void store_run(struct disk *disk, struct disk_work *work)
{
    struct store_work *this = container_of(work, struct store_work, work);
    int                r = 0;

    if (disk_is_ready(disk) && !atomic_load(&disk->is_failing) && !disk_is_late(disk))
        r = store(disk, this);
    else
        atomic_fetch_add(&disk->dropped_writes, 1);
    if (r < 0)
        atomic_fetch_add(&disk->dropped_writes, 1);
    if (r < 0 && r != -EFBIG)
        disk_fail(disk, "writing", r);
    if (this->object != NULL)
        disk_unqueue(disk, this->object);
    mem_free(this);
}

static bool has_room(struct disk *disk, uint64_t bytes)
{
    uint64_t waiting = disk_queue_bytes(&disk->queue);

    return waiting == 0 || waiting + bytes <= atomic_load(&disk->queue_most);
}

bool disk_store(struct disk *disk, struct object *object)
{
    uint64_t           bytes = queued_bytes(object);
    struct store_work *work;

    disk_say(disk);
    if (!disk_is_ready(disk) || atomic_load(&disk->is_failing) || !has_room(disk, bytes) ||
        (work = mem_try(sizeof(*work))) == NULL) {
        atomic_fetch_add(&disk->dropped_writes, 1);
        return false;
    }
    *work = (struct store_work){ .work = { .run = store_run }, .object = object_ref(object) };
    must(atomic_exchange(&object->queued, OBJECT_QUEUED) == OBJECT_UNQUEUED);
    disk_queue_reserve(&disk->queue, bytes);
    if (disk_queue_put(&disk->queue, &work->work))
        return true;
    disk_unqueue(disk, object);
    mem_free(work);
    return false;
}

/* ---- purging ---- */

static void purge_opened(struct loop *loop, struct letter *letter)
{
    struct disk_purge *purge = container_of(letter, struct disk_purge, letter);

    (void)loop;
    purge->is_done = true;
    if (purge->waiter != NULL)
        task_wake(purge->waiter, WAKE_LETTER);
    else
        mem_free(purge);
}

void disk_purge_end(struct disk_purge *purge)
{
    if (purge->is_for_nobody)
        mem_free(purge);
    else
        mailbox_post(purge->loop, &purge->letter);
}

static void purge_run(struct disk *disk, struct disk_work *work)
{
    struct disk_purge *purge = container_of(work, struct disk_purge, work);
    struct record      record = { .kind = RECORD_PURGE, .purge = purge->purge };
    int                r = -EIO;

    if (disk_is_away(disk) || purge->purge.serial <= disk->back_serial)
        disk->has_missed = true;
    else if (disk_is_ready(disk) && !atomic_load(&disk->is_failing)) {
        r = disk_make_room(disk, record_bytes(&record));
        if (r == 0)
            r = disk_log_append(&disk->log, &record, NULL, TEXT_NONE);
        if (r < 0 && r != -EFBIG)
            disk_fail(disk, "writing", r);
    }
    purge->has_failed = r < 0;
    purge->next = disk->purges_written;
    disk->purges_written = purge;
}

void disk_purge_start(struct disk_purge *purge)
{
    struct disk *disk = purge->disk;

    disk_say(disk);
    purge->is_done = purge->has_failed = false;
    purge->is_for_nobody = purge->waiter == NULL;
    purge->loop = loop_self();
    purge->letter.open = purge_opened;
    purge->work = (struct disk_work){ .run = purge_run };
    must(purge->purge.prefix.len <= RECORD_PREFIX_MOST);
    if (!disk_queue_put(&disk->queue, &purge->work)) {
        purge->has_failed = true;
        disk_purge_end(purge);
    }
}

/* ---- figures ---- */

/* Both as of one moment: what one gains while the other loses is not counted twice. */
static uint64_t bytes_now(struct disk *disk)
{
    uint64_t segments, larges;

    if (disk_is_away(disk))
        return 0;
    do {
        segments = atomic_load(&disk->segments.bytes);
        larges = atomic_load(&disk->larges.bytes);
    } while (segments != atomic_load(&disk->segments.bytes));
    return segments + larges + DISK_OVERHEAD_BYTES;
}

static uint64_t index_bytes(const struct disk *disk)
{
    return disk_is_away(disk) ? 0 : disk_index_bytes(disk->index);
}

static uint64_t memory_bytes(struct disk *disk)
{
    return object_allocated(sizeof(*disk)) + index_bytes(disk) +
           atomic_load_explicit(&disk->log.stage_used, memory_order_relaxed);
}

struct disk_figures disk_figures(struct disk *disk)
{
    return (struct disk_figures){
        .objects = disk_is_away(disk) ? 0 : disk_index_count(disk->index),
        .bytes = bytes_now(disk),
        .limit = atomic_load(&disk->max_size),
        .index_bytes = index_bytes(disk),
        .reads = atomic_load(&disk->reads),
        .written_bytes = atomic_load(&disk->written_bytes),
        .evicted = atomic_load(&disk->evicted),
        .dropped_writes = atomic_load(&disk->dropped_writes),
        .damaged = atomic_load(&disk->damaged),
        .errors = atomic_load(&disk->errors),
        .memory_bytes = memory_bytes(disk),
        .is_loading = !disk_is_away(disk) && atomic_load(&disk->state) < DISK_READY,
        .is_failing = atomic_load(&disk->is_failing),
    };
}
