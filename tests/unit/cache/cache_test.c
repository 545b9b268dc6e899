// SPDX-License-Identifier: MIT
/* cache: the two tiers together, how they end, and which of two answers stays. */
#include "fills.h"

#include "disks.h"

#include <dirent.h>
#include <pthread.h>

#include "cache/cache.h"
#include "cache/disk_parts.h"
#include "net/jobs.h"

enum { SIZE = 1000 };

static char folder[64];

static int start(void **state)
{
    (void)state;
    folder_new(folder);
    jobs_start(2);
    return 0;
}

static int stop(void **state)
{
    jobs_stop();
    folder_remove(folder);
    return drain(state);
}

static void settings_make(struct cache_settings *settings, uint64_t memory)
{
    *settings = (struct cache_settings){ .name = TEXT("one"),
                                         .path = text_from(folder),
                                         .memory = memory,
                                         .max_size = (uint64_t)16 * MEGABYTE };
}

static struct cache *opened(uint64_t memory)
{
    struct cache_settings settings;
    struct cache         *cache;

    settings_make(&settings, memory);
    cache = cache_open(&settings);
    assert_non_null(cache_disk(cache));
    WAIT_UNTIL(disk_is_ready(cache_disk(cache)));
    return cache;
}

static unsigned threads(void)
{
    DIR     *tasks = opendir("/proc/self/task");
    unsigned count = 0;

    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(tasks);
    return count;
}

static void *nothing(void *argument)
{
    return argument;
}

/* With the first thread a sanitizer starts one of its own, which stays. */
static unsigned threads_at_rest(void)
{
    pthread_t first;

    assert_int_equal(pthread_create(&first, NULL, nothing, NULL), 0);
    assert_int_equal(pthread_join(first, NULL), 0);
    return threads();
}

/* Loops are freed then, and disks: a thread that lives on would look at them. */
static void no_thread_is_left_when_all_caches_have_ended(void **state)
{
    unsigned      before = threads_at_rest();
    struct cache *cache = opened((uint64_t)8 * MEGABYTE);

    (void)state;
    assert_true(threads() > before);
    caches_end();
    WAIT_UNTIL(threads() == before);     /* who was joined may be listed for a moment */
    cache_close(&cache);
}

static void store(struct cache *cache, uint64_t seed, uint64_t serial)
{
    struct object *object = object_numbered(seed, 1, serial, SIZE);

    (void)cache_store(cache, object);
    object_unref(object);
}

static struct text no_variant(struct variant_ask *ask, struct text vary)
{
    (void)ask;
    (void)vary;
    return TEXT_NONE;
}

/* Whose body was long on its way comes in behind what was asked for after it: in neither tier does it
 * take the place of what is newer. */
static void what_is_older_replaces_nothing(void **state)
{
    struct cache      *cache = opened((uint64_t)8 * MEGABYTE);
    struct disk       *disk = cache_disk(cache);
    uint64_t           seed = disk_seed(disk);
    char               buffer[KEY_BYTES];
    struct cache_key   key = cache_key_of(seed, key_text(1, buffer));
    struct variant_ask ask = { .variant = no_variant };
    uint64_t           newer = (UINT64_C(1) << 50) + 2;
    struct object     *found;

    (void)state;
    store(cache, seed, newer);
    store(cache, seed, newer - 1);
    WAIT_UNTIL(!disk_may_have(disk, key.hash) || disk_find(disk, &key, &ask) != 0);
    cache_close(&cache);
    cache = opened((uint64_t)8 * MEGABYTE);
    disk = cache_disk(cache);
    found = read_place(disk, disk_find(disk, &key, &ask), key);
    assert_non_null(found);
    assert_true(found->facts.serial == newer);
    object_unref(found);
    cache_close(&cache);
}

/* ---- what waits to be written ---- */

/* In the queue's way: the writing thread stands here until it is let go. */
struct bar {
    struct disk_work work;
    atomic_bool      is_reached, is_lifted;
};

static void bar_stand(struct disk *disk, struct disk_work *work)
{
    struct bar *bar = container_of(work, struct bar, work);

    (void)disk;
    atomic_store(&bar->is_reached, true);
    WAIT_UNTIL(atomic_load(&bar->is_lifted));
}

static void bar_put(struct bar *bar, struct disk *disk)
{
    *bar = (struct bar){ .work = { .run = bar_stand } };
    assert_true(disk_queue_put(&disk->queue, &bar->work));
    WAIT_UNTIL(atomic_load(&bar->is_reached));
}

static bool is_in_memory(struct cache *cache, uint64_t seed, uint64_t number)
{
    struct variant_ask ask = { .variant = no_variant };
    char               buffer[KEY_BYTES];
    struct cache_key   key = cache_key_of(seed, key_text(number, buffer));
    bool               is_purged, has_other;
    struct object     *object = cache_find(cache, &key, &ask, &is_purged, &has_other);

    if (object == NULL)
        return false;
    object_unref(object);
    return true;
}

/* Into memory, and in any case on its way to the disk? */
static bool store_numbered(struct cache *cache, uint64_t seed, uint64_t number, uint64_t serial,
                           uint64_t len)
{
    struct object *object = object_numbered(seed, number, serial, len);
    bool           is_queued;

    assert_true(cache_store(cache, object));
    is_queued = atomic_load(&object->queued) != OBJECT_UNQUEUED;
    object_unref(object);
    return is_queued;
}

/* Small or large, whatever pushes from behind. */
static void what_waits_for_the_disk_stays_in_memory(void **state)
{
    enum { COUNT = 4000, LEN = 5000, LIMIT = 4 * MEGABYTE };
    static bool           is_queued[COUNT];
    struct cache_settings settings;
    struct cache *cache = opened(LIMIT);
    struct disk  *disk = cache_disk(cache);
    uint64_t      seed = disk_seed(disk);
    unsigned      queued = 0;
    struct bar    bar;

    (void)state;
    bar_put(&bar, disk);
    for (uint64_t i = 0; i < COUNT; i++) {
        is_queued[i] = store_numbered(cache, seed, i, i + 1, i % 50 == 0 ? 20 * LEN : LEN);
        queued += is_queued[i];
        assert_true(cache_figures(cache).memory.bytes <= LIMIT);
    }
    assert_in_range(queued, 100, COUNT / 10);
    assert_true(disk_queue_bytes(&disk->queue) <= LIMIT / 4);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_true(!is_queued[i] || is_in_memory(cache, seed, i));
    assert_true(is_in_memory(cache, seed, COUNT - 1));
    atomic_store(&bar.is_lifted, true);
    WAIT_UNTIL(disk_queue_unwritten(&disk->queue) == 0);
    assert_int_equal(disk_queue_bytes(&disk->queue), 0);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_true(!is_queued[i] || is_there(disk, i, i + 1, i % 50 == 0 ? 20 * LEN : LEN));
    settings_make(&settings, MEGABYTE);
    cache_set(cache, &settings);         /* nothing is kept for the disk's sake any more */
    assert_true(cache_figures(cache).memory.bytes <= MEGABYTE);
    cache_close(&cache);
}

/* The disk holds each of them until it is written. */
static void what_is_replaced_while_it_waits_counts_until_it_is_written(void **state)
{
    enum { COUNT = 200, LEN = 4000 };
    struct cache *cache = opened((uint64_t)8 * MEGABYTE);
    struct disk  *disk = cache_disk(cache);
    uint64_t      seed = disk_seed(disk), one;
    struct bar    bar;

    (void)state;
    (void)store_numbered(cache, seed, 7, 1, LEN);
    WAIT_UNTIL(disk_queue_unwritten(&disk->queue) == 0);
    one = cache_figures(cache).memory.bytes;
    bar_put(&bar, disk);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_true(store_numbered(cache, seed, 7, i + 2, LEN));
    assert_in_range(cache_figures(cache).memory.bytes, one + (COUNT - 1) * LEN,
                    one + COUNT * (LEN + 1000));
    atomic_store(&bar.is_lifted, true);
    WAIT_UNTIL(disk_queue_unwritten(&disk->queue) == 0);
    assert_in_range(cache_figures(cache).memory.bytes, one - MEGABYTE / 16, one + MEGABYTE / 16);
    assert_true(is_there(disk, 7, COUNT + 1, LEN));
    cache_close(&cache);
}

/* ---- a directory that cannot be used at the start ---- */

static void directory_take_away(char aside[80])
{
    (void)snprintf(aside, 80, "%s.aside", folder);
    assert_int_equal(rename(folder, aside), 0);
}

/* With another one, or none: nothing lies there now. */
static struct cache *opened_without(char aside[80])
{
    struct cache_settings settings;
    struct cache         *cache;

    directory_take_away(aside);
    settings_make(&settings, (uint64_t)8 * MEGABYTE);
    cache = cache_open(&settings);
    assert_true(cache_figures(cache).disk.is_failing);
    assert_false(cache_figures(cache).disk.is_loading);
    return cache;
}

static void bring_back(struct cache *cache, const char *aside)
{
    assert_int_equal(rename(aside, folder), 0);
    WAIT_UNTIL(disk_is_ready(cache_disk(cache)));
    assert_false(cache_figures(cache).disk.is_failing);
}

static void a_directory_that_comes_later_is_used(void **state)
{
    char          aside[80];
    struct cache *cache = opened_without(aside);
    struct disk  *disk = cache_disk(cache);
    uint64_t      seed = disk_seed(disk);

    (void)state;
    assert_false(store_numbered(cache, seed, 1, cache_next_serial(cache), SIZE));
    assert_true(is_in_memory(cache, seed, 1));
    bring_back(cache, aside);
    assert_true(disk_seed(disk) == seed);            /* it had none of its own */
    assert_true(is_in_memory(cache, seed, 1));
    assert_true(store_numbered(cache, seed, 2, cache_next_serial(cache), SIZE));
    WAIT_UNTIL(disk_queue_unwritten(&disk->queue) == 0);
    cache_close(&cache);
    cache = opened((uint64_t)8 * MEGABYTE);
    assert_false(is_absent(cache_disk(cache), 2));
    cache_close(&cache);
}

static void store_two(void)
{
    struct cache *cache = opened((uint64_t)8 * MEGABYTE);
    uint64_t      seed = disk_seed(cache_disk(cache));

    (void)store_numbered(cache, seed, 1, cache_next_serial(cache), SIZE);
    (void)store_numbered(cache, seed, 2, cache_next_serial(cache), SIZE);
    cache_close(&cache);
}

/* By the directory's own seed, whatever was the cache's so far. */
static void what_lies_in_it_is_found_when_it_is_back(void **state)
{
    char             aside[80], buffer[KEY_BYTES];
    struct cache    *cache;
    struct cache_key key;

    (void)state;
    store_two();
    cache = opened_without(aside);
    bring_back(cache, aside);
    key = cache_key(cache, key_text(1, buffer));
    assert_true(disk_find(cache_disk(cache), &key, NULL) != 0);
    assert_false(is_absent(cache_disk(cache), 1));
    cache_close(&cache);
}

/* Nobody can tell any more what of it was meant. */
static void a_purge_while_it_was_away_empties_it(void **state)
{
    char                     aside[80], buffer[KEY_BYTES];
    const struct cache_purge purge = { .kind = PURGE_LABEL, .label = 77 };
    struct cache            *cache;
    struct cache_key         key;

    (void)state;
    store_two();
    cache = opened_without(aside);
    assert_true(cache_purge(cache, &purge, NULL, NULL));
    bring_back(cache, aside);
    assert_true(is_absent(cache_disk(cache), 1));
    assert_true(is_absent(cache_disk(cache), 2));
    key = cache_key(cache, key_text(3, buffer));
    assert_true(store_numbered(cache, disk_seed(cache_disk(cache)), 3, cache_next_serial(cache), SIZE));
    WAIT_UNTIL(disk_find(cache_disk(cache), &key, NULL) != 0);
    cache_close(&cache);
    cache = opened((uint64_t)8 * MEGABYTE);
    assert_true(is_absent(cache_disk(cache), 1));
    assert_false(is_absent(cache_disk(cache), 3));
    cache_close(&cache);
}

/* ---- a body that the disk gives up ---- */

static struct side side;
static struct task idle;

static void do_nothing(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
}

/* A loop's, of the fill in *argument. */
static void follow_and_leave(struct loop *loop, void *argument)
{
    struct fill       *fill = argument;
    struct follower   *follower = fill_follow(fill, loop, &idle);
    struct large_body *large = NULL;

    assert_non_null(follower);
    assert_int_equal(fill_slice(fill, follower, 0, 1000, &large).len, 0);
    assert_non_null(large);
    large_body_unref(large);
    fill_leave(fill, &follower);
}

/* Its first part is in the file, and somebody is still about to read it: so others may, too. Who follows a
 * fill and begins to read it does so one after the other, and the disk may fail in between. */
static void the_file_of_a_body_that_is_given_up_has_its_beginning(void **state)
{
    enum { MOST = 1000, PIECE = 100000 };
    struct cache    *cache = opened((uint64_t)8 * MEGABYTE);
    struct fill     *fill = fill_new_alone();
    struct follower *first;
    uint64_t         at = 0;

    (void)state;
    side_start(&side, 7);
    task_init(&idle, do_nothing);
    fill_head(fill, object_of(key_of("key"), 1, NULL, NULL, 0), (uint64_t)64 * MEGABYTE, MOST,
              cache_disk(cache));
    first = fill_follow(fill, side.loop, &idle);
    for (; fill_is_kept(fill); at += PIECE) {    /* until it is half of the disk */
        WAIT_UNTIL(fill_room(fill) > 0);
        append(fill, at, PIECE);
    }
    assert_true(at > (uint64_t)7 * MEGABYTE);
    side_call(&side, follow_and_leave, fill);
    fill_leave(fill, &first);
    fill_give_up(fill, FILL_FAILED, 0, 0);
    side_settle(&side);
    fill_unref(fill);
    side_stop(&side);
    cache_close(&cache);
}

/* The thread that writes lets slices go as they get to the file, and may be about to when the last reference
 * to the fill goes. */
static void a_fill_may_go_while_its_file_is_written(void **state)
{
    enum { TIMES = 200, MOST = 1000, PIECE = 200000, PIECES = 5 };
    struct cache *cache = opened((uint64_t)8 * MEGABYTE);

    (void)state;
    for (unsigned i = 0; i < TIMES; i++) {
        struct fill *fill = fill_new_alone();

        fill_head(fill, object_of(key_of("key"), 1, NULL, NULL, 0), FILL_LENGTH_UNKNOWN, MOST,
                  cache_disk(cache));
        append_in_pieces(fill, 0, (uint64_t)PIECES * PIECE, PIECE);
        (void)usleep(i % 20 * 50);
        fill_give_up(fill, FILL_FAILED, 0, 0);
        fill_unref(fill);
    }
    cache_close(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_thread_is_left_when_all_caches_have_ended, start, stop),
        cmocka_unit_test_setup_teardown(what_is_older_replaces_nothing, start, stop),
        cmocka_unit_test_setup_teardown(what_waits_for_the_disk_stays_in_memory, start, stop),
        cmocka_unit_test_setup_teardown(what_is_replaced_while_it_waits_counts_until_it_is_written, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_directory_that_comes_later_is_used, start, stop),
        cmocka_unit_test_setup_teardown(what_lies_in_it_is_found_when_it_is_back, start, stop),
        cmocka_unit_test_setup_teardown(a_purge_while_it_was_away_empties_it, start, stop),
        cmocka_unit_test_setup_teardown(the_file_of_a_body_that_is_given_up_has_its_beginning,
                                        start, stop),
        cmocka_unit_test_setup_teardown(a_fill_may_go_while_its_file_is_written, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, drain);
}
