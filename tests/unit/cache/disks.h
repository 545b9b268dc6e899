// SPDX-License-Identifier: MIT
/* What the tests of the disk tier share: directories that go away again, objects whose content follows
 * from their number and serial, and calls that wait. */
#ifndef TESTS_UNIT_CACHE_DISKS_H
#define TESTS_UNIT_CACHE_DISKS_H

#include <ftw.h>
#include <unistd.h>

#include "objects.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cache/disk.h"
#include "net/loop.h"

enum { MEGABYTE = 1024 * 1024, KEY_BYTES = 64 };

/* Waits until `condition` holds, looking every millisecond; fails after 20 s. ../net/check.h has one as well. */
#ifndef WAIT_UNTIL
#define WAIT_UNTIL(condition)                                                               \
    do {                                                                                    \
        int64_t wait_until_ms_ = clock_mono_ms() + 20000;                                   \
        while (!(condition)) {                                                              \
            if (clock_mono_ms() > wait_until_ms_)                                           \
                fail_msg("%s:%d: in vain waited for %s", __FILE__, __LINE__, #condition);   \
            (void)usleep(1000);                                                             \
        }                                                                                   \
    } while (0)
#endif

/* ---- directories ---- */

static inline int folder_remove_entry(const char *path, const struct stat *stat, int type,
                                      struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void folder_remove(const char *path)
{
    (void)nftw(path, folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void folder_new(char path[64])
{
    const char *above = getenv("TMPDIR");

    (void)snprintf(path, 64, "%.30s/frontdesk-disk-XXXXXX", above == NULL ? "/tmp" : above);
    assert_non_null(mkdtemp(path));
}

/* ---- objects ---- */

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) ^ (b + UINT64_C(0x2545f4914f6cdd1d));

    x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 32;
}

/* The bytes of a body from `from` on. */
static inline void content_fill(unsigned char *to, size_t len, uint64_t from, uint64_t number,
                                uint64_t serial)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t at = from + i;

        to[i] = (unsigned char)(mix(number, serial + at / 8) >> at % 8 * 8);
    }
}

static inline struct text key_text(uint64_t number, char buffer[KEY_BYTES])
{
    int len = snprintf(buffer, KEY_BYTES, "http://example.org/object/%llu",
                       (unsigned long long)number);

    return text_of(buffer, (size_t)len);
}

static inline struct object *object_with(const struct object_parts *parts, uint64_t number,
                                         uint64_t body_len)
{
    struct object *object = object_try_new(parts, body_len);
    uint32_t       count = (uint32_t)((body_len + OBJECT_SLICE_BYTES - 1) / OBJECT_SLICE_BYTES);
    struct slice  *slices;

    assert_non_null(object);
    if (body_len <= OBJECT_INLINE_MOST) {
        content_fill(object_inline_body(object), body_len, 0, number, parts->facts.serial);
        return object;
    }
    slices = mem_new(count * sizeof(*slices));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t from = (uint64_t)i * OBJECT_SLICE_BYTES, left = body_len - from;
        uint32_t len = left < OBJECT_SLICE_BYTES ? (uint32_t)left : OBJECT_SLICE_BYTES;

        slices[i] = (struct slice){ .block = block_new_sized(len), .len = len };
        content_fill(slices[i].block->bytes, len, from, number, parts->facts.serial);
    }
    assert_true(object_try_set_body(object, slices, count, body_len));
    for (uint32_t i = 0; i < count; i++)
        slice_unref(slices[i]);
    mem_free(slices);
    return object;
}

/* Its labels are its key and LABEL_HOST "example.org". With `large` its body is that, of `body_len`. */
static inline struct object *object_around(uint64_t seed, uint64_t number, uint64_t serial,
                                           uint64_t body_len, struct large_body *large)
{
    char                buffer[KEY_BYTES];
    struct text         text = key_text(number, buffer);
    uint64_t            labels[2] = { cache_label_hash(seed, LABEL_KEY, text),
                                      cache_label_hash(seed, LABEL_HOST, TEXT("example.org")) };
    struct object_parts parts = {
        .key = cache_key_of(seed, text),
        .facts = { .serial = serial, .response_ms = clock_wall_ms(), .date_s = (int64_t)serial,
                   .status = 200, .lifetime_s = 1000 },
        .head = TEXT("head of it"),
        .labels = labels,
        .label_count = 2,
    };
    struct object *object = object_with(&parts, number, large == NULL ? body_len : 0);

    if (large != NULL)
        object_set_large(object, large, body_len);
    return object;
}

static inline struct object *object_numbered(uint64_t seed, uint64_t number, uint64_t serial,
                                             uint64_t body_len)
{
    return object_around(seed, number, serial, body_len, NULL);
}

/* With a large body, which is whole when it returns. NULL: it failed. */
static inline struct object *large_numbered(struct disk *disk, uint64_t number, uint64_t serial,
                                            uint64_t body_len)
{
    struct large_body *body = large_body_new(disk);
    struct object     *object = NULL;

    for (uint64_t at = 0; body != NULL && at < body_len;) {
        uint32_t     len = body_len - at < 50000 ? (uint32_t)(body_len - at) : 50000;
        struct slice slice = { .block = block_new_sized(len), .len = len };

        content_fill(slice.block->bytes, len, at, number, serial);
        at += len;
        if (!large_body_append(body, slice))
            break;
        while (large_body_pending(body) > MEGABYTE)
            (void)usleep(100);
    }
    if (body == NULL)
        return NULL;
    large_body_finish(body);
    WAIT_UNTIL(large_body_is_whole(body) || large_body_has_failed(body));
    if (!large_body_has_failed(body))
        object = object_around(disk_seed(disk), number, serial, body_len, body);
    large_body_unref(body);
    return object;
}

/* The body is what the number and the object's serial say. */
static inline bool has_content_in_memory(const struct object *object, uint64_t number)
{
    unsigned char wanted[4096];
    struct slice  part;
    bool          is_same = true;

    for (uint64_t at = 0; at < object->body_len && is_same; at += part.len) {
        part = object_slice(object, at, sizeof(wanted));
        content_fill(wanted, part.len, at, number, object->facts.serial);
        is_same = memcmp(wanted, slice_ptr(part), part.len) == 0;
        slice_unref(part);
    }
    return is_same;
}

/* ---- calls that wait ---- */

struct waiting_read {
    struct letter     letter;
    struct task       task;
    struct disk_read *read;
};

static inline void waiting_read_done(struct task *task, unsigned wakes)
{
    (void)task;
    assert_int_equal(wakes, WAKE_LETTER);
    loop_stop(loop_self());
}

static inline void waiting_read_start(struct loop *loop, struct letter *letter)
{
    struct waiting_read *waiting = container_of(letter, struct waiting_read, letter);

    if (!disk_read_start(waiting->read))
        loop_stop(loop);
}

/* On a loop of its own. A reference of the caller's, or NULL. */
/* A job posts its letter under the pool's lock: once that was ours, nobody touches the loop any more. */
static inline void loop_end(struct loop **loop)
{
    jobs_start(2);
    loop_free(loop);
}

static inline struct object *read_place(struct disk *disk, uint64_t place, struct cache_key key)
{
    struct loop        *loop = loop_new(5);
    struct waiting_read waiting = { .letter = { .open = waiting_read_start } };
    struct object      *object;

    waiting.read = mem_new(sizeof(*waiting.read));
    *waiting.read =
        (struct disk_read){ .disk = disk, .place = place, .key = key, .waiter = &waiting.task };
    task_init(&waiting.task, waiting_read_done);
    mailbox_post(loop, &waiting.letter);
    loop_run(loop);
    assert_true(waiting.read->is_done);
    object = waiting.read->ret_object;
    waiting.read->ret_object = NULL;
    disk_read_leave(&waiting.read);
    loop_end(&loop);
    return object;
}

struct waiting_large {
    struct letter      letter;
    struct task        task;
    struct large_read *read;
};

static inline void waiting_large_start(struct loop *loop, struct letter *letter)
{
    if (!large_read_start(container_of(letter, struct waiting_large, letter)->read))
        loop_stop(loop);
}

/* A reference of the caller's; len 0: failed. */
static inline struct slice read_large(struct large_body *body, uint64_t from, uint32_t want)
{
    struct loop         *loop = loop_new(6);
    struct waiting_large waiting = { .letter = { .open = waiting_large_start } };
    struct slice         slice;

    waiting.read = mem_new(sizeof(*waiting.read));
    *waiting.read = (struct large_read){
        .body = large_body_ref(body), .from = from, .want = want, .waiter = &waiting.task
    };
    task_init(&waiting.task, waiting_read_done);
    mailbox_post(loop, &waiting.letter);
    loop_run(loop);
    assert_true(waiting.read->is_done);
    slice = waiting.read->ret_slice;
    waiting.read->ret_slice = SLICE_NONE;
    large_read_leave(&waiting.read);
    loop_end(&loop);
    return slice;
}

static inline bool has_large_content(const struct object *object, uint64_t number)
{
    unsigned char *wanted = mem_new(200000);
    struct slice   part;
    bool           is_same = large_body_written(object->large) == object->body_len;

    for (uint64_t at = 0; at < object->body_len && is_same; at += part.len) {
        part = read_large(object->large, at, 200000);
        content_fill(wanted, part.len, at, number, object->facts.serial);
        is_same = part.len > 0 && memcmp(wanted, slice_ptr(part), part.len) == 0;
        slice_unref(part);
    }
    mem_free(wanted);
    return is_same;
}

static inline bool has_content(const struct object *object, uint64_t number)
{
    return object->large != NULL ? has_large_content(object, number)
                                 : has_content_in_memory(object, number);
}

static inline struct object *read_number(struct disk *disk, uint64_t number)
{
    char             buffer[KEY_BYTES];
    struct cache_key key = cache_key_of(disk_seed(disk), key_text(number, buffer));
    uint64_t         place = disk_find(disk, &key, NULL);

    return place == 0 ? NULL : read_place(disk, place, key);
}

/* Stored with this serial and byte-identical. */
static inline bool is_there(struct disk *disk, uint64_t number, uint64_t serial, uint64_t body_len)
{
    struct object *object = read_number(disk, number);
    bool           is_right = object != NULL && object->facts.serial == serial &&
                    object->body_len == body_len && has_content(object, number);

    if (object != NULL)
        object_unref(object);
    return is_right;
}

static inline bool is_absent(struct disk *disk, uint64_t number)
{
    struct object *object = read_number(disk, number);

    if (object != NULL)
        object_unref(object);
    return object == NULL;
}

static inline void store_object(struct disk *disk, struct object *object)
{
    assert_true(disk_store(disk, object));
    WAIT_UNTIL(atomic_load(&object->place) != 0);
    object_unref(object);
}

static inline void store_number(struct disk *disk, uint64_t number, uint64_t serial,
                                uint64_t body_len)
{
    store_object(disk, object_numbered(disk_seed(disk), number, serial, body_len));
}

static inline void wait_loaded(struct disk *disk)
{
    WAIT_UNTIL(!disk_figures(disk).is_loading);
}

#endif
