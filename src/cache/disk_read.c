// SPDX-License-Identifier: MIT
/* A record back into an object: at once when the page cache has it, else on a job's thread. Everything
 * is checked before anybody sees it; what is damaged leaves the index. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/disk_parts.h"
#include "cache/large_parts.h"
#include "net/loop.h"

enum {
    FIRST_BYTES = 32 * 1024,             /* most records are read in one call */
    QUICK_MOST = 512 * 1024              /* what may be copied on a loop */
};

/* Monotonic time at which it came, by the wall clock; one that came in the future is new. */
static int64_t born_ms_of(const struct object_facts *facts)
{
    int64_t passed_ms = clock_wall_ms() - facts->response_ms;

    return clock_mono_ms() - (passed_ms > 0 ? passed_ms : 0);
}

/* ---- from bytes ---- */

static struct object *object_within(const struct record *record, struct text body)
{
    struct object *object = object_try_new(&record->parts, body.len);

    if (object != NULL && body.len > 0)
        memcpy(object_inline_body(object), body.ptr, body.len);
    return object;
}

/* The body stays where it was read. */
static struct object *object_around(const struct record *record, struct slice body)
{
    struct object *object = object_try_new(&record->parts, body.len);

    if (object == NULL || object_try_set_body(object, &body, 1, body.len))
        return object;
    object_unref(object);
    return NULL;
}

/* The body lies in a file of its own. */
static int object_beside(const struct disk_read *read, const struct record *record, bool is_quick,
                         struct object **ret_object)
{
    struct large_body *body =
        large_body_take(read->disk, record->large_id, record->body_len, is_quick);
    struct object *object;

    if (body == NULL)
        return is_quick ? -EAGAIN : -EINVAL;
    object = object_try_new(&record->parts, 0);
    if (object != NULL)
        object_set_large(object, body, record->body_len);
    large_body_unref(body);
    *ret_object = object;
    return object == NULL ? -ENOMEM : 0;
}

/* The body lies behind the meta. `block` is where they were read, or NULL. */
static int object_in_one(const struct disk_read *read, const struct record *record,
                         struct text bytes, struct block *block, struct object **ret_object)
{
    size_t      from = (size_t)record_padded(record_meta_bytes(record));
    struct text body = text_part(bytes, from, (size_t)record->body_len);

    if (record_body_checksum(read->disk->seed, body) != record->body_checksum)
        return -EINVAL;
    if (body.len <= OBJECT_INLINE_MOST || block == NULL)
        *ret_object = object_within(record, body);
    else
        *ret_object = object_around(record, (struct slice){ .block = block,
                                                            .start = (uint32_t)from,
                                                            .len = (uint32_t)body.len });
    return *ret_object == NULL ? -ENOMEM : 0;
}

/* `bytes` hold the whole record. */
static int object_of(struct disk_read *read, const struct record *record, struct text bytes,
                     struct block *block, bool is_quick)
{
    struct object *object;
    int            r;

    if (!text_is_equal(record->parts.key.text, read->key.text))
        return -EINVAL;
    r = record->large_id != 0 ? object_beside(read, record, is_quick, &object)
                              : object_in_one(read, record, bytes, block, &object);
    if (r < 0)
        return r;
    object->born_ms = born_ms_of(&record->parts.facts);
    atomic_store(&object->place, read->place);
    read->ret_object = object;
    return 0;
}

/* ---- reading ---- */

struct source {
    const struct segment *segment;
    uint64_t              offset, left;  /* bytes from there to the segment's end */
    bool                  is_quick;
};

static int decode(const struct disk_read *read, struct text bytes, struct record *record)
{
    int r = record_decode(bytes, record_seal(read->disk->seed, read->place), record);

    return r == 0 && record->kind != RECORD_OBJECT ? -EINVAL : r;
}

/* A record that is longer than what was read first: `whole` bytes, of which `first` are here. */
static int read_long(struct disk_read *read, const struct source *source, struct text first,
                     uint64_t whole)
{
    struct block *block = whole > UINT32_MAX ? NULL : block_try_sized((uint32_t)whole);
    struct record record;
    struct text   bytes;
    ssize_t       n;
    int           r;

    if (block == NULL)
        return -ENOMEM;
    memcpy(block->bytes, first.ptr, first.len);
    n = segment_read(source->segment, block->bytes + first.len, (size_t)whole - first.len,
                     source->offset + first.len, source->is_quick);
    bytes = text_of((const char *)block->bytes, first.len + (n > 0 ? (size_t)n : 0));
    r = n < 0 ? (int)n : decode(read, bytes, &record);
    if (r == 0)
        r = record_bytes(&record) > bytes.len
                ? -EINVAL
                : object_of(read, &record, bytes, block, source->is_quick);
    else if (r == -EAGAIN && n >= 0)
        r = -EINVAL;                     /* the place was wrong about its size */
    block_unref(block);
    return r;
}

static int read_from(struct disk_read *read, const struct source *source)
{
    UNINITIALIZED _Alignas(16) char first[FIRST_BYTES];
    uint64_t      expected = record_place_size(read->place);
    struct record record;
    struct text   bytes;
    ssize_t       n;
    int           r;

    if (expected > source->left)
        expected = source->left;
    n = segment_read(source->segment, first, expected < FIRST_BYTES ? expected : FIRST_BYTES,
                     source->offset, source->is_quick);
    if (n < 0)
        return (int)n;
    bytes = text_of(first, (size_t)n);
    r = decode(read, bytes, &record);
    if (r == 0 && record_bytes(&record) <= bytes.len)
        return object_of(read, &record, bytes, NULL, source->is_quick);
    if (r == 0)
        expected = record_bytes(&record);
    else if (r != -EAGAIN || expected <= bytes.len)
        return -EINVAL;
    return expected > source->left ? -EINVAL : read_long(read, source, bytes, expected);
}

/* 0: ret_object is there; -EAGAIN: not without waiting; else why there is none. */
static int read_record(struct disk_read *read, bool is_quick)
{
    struct disk    *disk = read->disk;
    struct segment *segment = segments_take(&disk->segments, record_place_segment(read->place));
    struct source   source = { .segment = segment, .is_quick = is_quick };
    uint64_t        bytes;
    int             r = -EINVAL;

    if (segment == NULL)
        return -ENOENT;                  /* evicted since it was found */
    source.offset = record_place_offset(read->place);
    bytes = atomic_load(&segment->bytes);
    if (source.offset < bytes) {
        source.left = bytes - source.offset;
        r = read_from(read, &source);
    }
    if (r == 0)
        atomic_store(&segment->used_ms, clock_mono_ms());
    segment_unref(segment);
    return r;
}

/* ---- the asker's side ---- */

/* False: it was replaced or evicted since it was found. */
static bool forget(struct disk_read *read)
{
    return disk_index_take(read->disk->index, read->key.hash, read->place);
}

/* On the loop, with what came of it; for each who asked. */
static void judge(struct disk_read *read)
{
    struct disk   *disk = read->disk;
    struct object *object = read->ret_object;

    if (object != NULL && disk_is_ready(disk)) {
        if (purges_judge(disk->purges, object) == PURGE_GONE) {
            (void)forget(read);
            object_unref(object);
            read->ret_object = NULL;
        } else {
            disk_note_use(disk, object);
        }
    }
    read->is_done = true;
}

/* The same for who has really read. */
static void finish(struct disk_read *read)
{
    struct disk *disk = read->disk;

    atomic_fetch_add(&disk->reads, 1);
    if (read->result < 0 && read->result != -ENOENT && read->result != -ENOMEM && forget(read))
        atomic_fetch_add(read->result == -EINVAL ? &disk->damaged : &disk->errors, 1);
    judge(read);
}

static void read_run(struct job *job)
{
    struct disk_read *read = container_of(job, struct disk_read, job);

    read->result = read_record(read, false);
}

/* Who has led holds the disk until then. */
static void read_free(struct disk_read *read)
{
    struct disk *held = read->is_leading ? read->disk : NULL;

    if (held != NULL)
        disk_reads_leave(&held->reading, read);
    if (read->ret_object != NULL)
        object_unref(read->ret_object);
    mem_free(read->key_copy);
    mem_free(read);
    if (held != NULL)
        disk_unref(held);
}

static void tell(struct disk_read *read)
{
    if (read->waiter != NULL)
        task_wake(read->waiter, WAKE_LETTER);
    else
        read_free(read);
}

static void follower_opened(struct loop *loop, struct letter *letter)
{
    struct disk_read *read = container_of(letter, struct disk_read, job.letter);
    struct disk      *disk = read->disk;

    (void)loop;
    judge(read);
    tell(read);
    disk_unref(disk);
}

/* Each on its loop, with a reference of its own to what the leader has read. */
static void share(struct disk_read *followers, struct object *object)
{
    for (struct disk_read *next; followers != NULL; followers = next) {
        next = followers->next;
        followers->ret_object = object == NULL ? NULL : object_ref(object);
        mailbox_post(followers->job.loop, &followers->job.letter);
    }
}

static void leader_opened(struct loop *loop, struct letter *letter)
{
    struct disk_read *read = container_of(letter, struct disk_read, job.letter);

    (void)loop;
    finish(read);
    share(disk_reads_finish(&read->disk->reading, read), read->ret_object);
    tell(read);
}

/* False: no memory for the key. */
static bool keep_key(struct disk_read *read)
{
    read->key_copy = mem_try(read->key.text.len + 1);
    if (read->key_copy == NULL)
        return false;
    memcpy(read->key_copy, read->key.text.ptr, read->key.text.len);
    read->key.text.ptr = read->key_copy;
    return true;
}

/* By a job, or with one that is under way. False: that one is done. */
static bool read_slowly(struct disk_read *read)
{
    struct disk *disk = disk_ref(read->disk);

    read->job.letter.open = follower_opened;
    switch (disk_reads_enter(&disk->reading, read)) {
    case ENTRY_LEADS:
        read->job.letter.open = leader_opened;
        jobs_post(&read->job);
        break;
    case ENTRY_FOLLOWS:
        break;
    case ENTRY_HAS_COME:
        judge(read);
        disk_unref(disk);
        return false;
    }
    return true;
}

bool disk_read_start(struct disk_read *read)
{
    struct disk *disk = read->disk;

    disk_say(disk);
    read->ret_object = NULL;
    read->result = -ENOENT;
    if (disk_is_ready(disk)) {
        read->result = -EAGAIN;
        if (record_place_is_large(read->place) || record_place_size(read->place) <= QUICK_MOST)
            read->result = read_record(read, true);
    }
    if (read->result == -EAGAIN && !keep_key(read))
        read->result = -ENOMEM;
    if (read->result != -EAGAIN) {
        finish(read);
        return false;
    }
    read->job = (struct job){ .loop = loop_self(), .run = read_run };
    return read_slowly(read);
}

void disk_read_leave(struct disk_read **read)
{
    struct disk_read *left = *read;

    if (left == NULL)
        return;
    *read = NULL;
    if (left->is_done)
        read_free(left);
    else
        left->waiter = NULL;
}
