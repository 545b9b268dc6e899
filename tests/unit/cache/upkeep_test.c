// SPDX-License-Identifier: MIT
/* upkeep: sweeps, forgetting while others are under way, what nobody asks for, and the limit with all that
 * lies beside objects. */
#include "disks.h"

#include "cache/cache.h"

enum { MEMORY = 64 * MEGABYTE, CHORES_MOST = 100 };

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                        \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
static const bool is_sanitized = true;
#else
static const bool is_sanitized = false;
#endif

static char folder[64];

static struct cache *opened(bool has_disk, int64_t inactive_ms)
{
    struct cache_settings settings = { .name = TEXT("one"), .memory = MEMORY, .max_size = 64 * MEGABYTE,
                                       .inactive_ms = inactive_ms };
    struct cache         *cache;

    if (has_disk) {
        folder_new(folder);
        settings.path = text_from(folder);
    }
    cache = cache_open(&settings);
    if (has_disk)
        wait_loaded(cache_disk(cache));
    return cache;
}

static void closed(struct cache **cache)
{
    bool has_disk = cache_disk(*cache) != NULL;

    cache_close(cache);
    if (has_disk)
        folder_remove(folder);
}

static struct cache_key key_numbered(struct cache *cache, uint64_t number, char buffer[KEY_BYTES])
{
    return cache_key(cache, key_text(number, buffer));
}

static struct object *object_in(struct cache *cache, uint64_t number, uint64_t serial,
                                uint64_t body_len)
{
    char                buffer[KEY_BYTES];
    struct cache_key    key = key_numbered(cache, number, buffer);
    uint64_t            label = cache_label(cache, LABEL_KEY, key.text);
    struct object_parts parts = { .key = key,
                                  .facts = { .serial = serial, .status = 200, .lifetime_s = 1000,
                                             .response_ms = clock_wall_ms() },
                                  .head = TEXT("head"),
                                  .labels = &label,
                                  .label_count = 1 };

    return object_made(&parts, body_len);
}

static void put(struct cache *cache, uint64_t number, uint64_t body_len)
{
    struct object *object = object_in(cache, number, cache_next_serial(cache), body_len);

    assert_true(cache_store(cache, object));
    object_unref(object);
}

static struct object *found(struct cache *cache, uint64_t number, bool *ret_is_purged)
{
    char             buffer[KEY_BYTES];
    struct cache_key key = key_numbered(cache, number, buffer);

    return cache_find(cache, &key, NULL, ret_is_purged, NULL);
}

static bool is_in_memory(struct cache *cache, uint64_t number)
{
    bool           is_purged;
    struct object *object = found(cache, number, &is_purged);

    if (object != NULL)
        object_unref(object);
    return object != NULL;
}

/* ---- what is done on a loop ---- */

struct chore {
    struct letter       letter;
    struct task         task;
    struct cache       *cache;
    struct cache_purge  purge;
    uint64_t            first, count;    /* keys to purge instead, one by one */
    bool                is_sweeping, is_closing;     /* at once */
    unsigned            pause_us;
    struct disk_purge  *disk;
    struct cache_sweep *sweep;
};

static void chore_look(struct task *task, unsigned wakes)
{
    struct chore *chore = container_of(task, struct chore, task);

    (void)wakes;
    if ((chore->disk == NULL || chore->disk->is_done) &&
        (chore->sweep == NULL || chore->sweep->is_done))
        loop_stop(loop_self());
}

static void chore_open(struct loop *loop, struct letter *letter)
{
    struct chore *chore = container_of(letter, struct chore, letter);
    char          buffer[KEY_BYTES];

    (void)loop;
    for (uint64_t i = 0; i < chore->count; i++) {
        chore->purge.label = cache_label(chore->cache, LABEL_KEY, key_text(chore->first + i, buffer));
        assert_true(cache_purge(chore->cache, &chore->purge, NULL, NULL));
    }
    if (chore->count == 0)
        assert_true(cache_purge(chore->cache, &chore->purge, &chore->task, &chore->disk));
    if (chore->is_sweeping)
        chore->sweep = cache_sweep_start(chore->cache, &chore->task);
    (void)usleep(chore->pause_us);
    if (chore->is_closing)
        cache_close(&chore->cache);
    task_wake(&chore->task, WAKE_LETTER);
}

/* Upkeep may still have its hand on a loop that has read its last letter: loops go when the threads have. */
static struct loop *loops[CHORES_MOST];
static unsigned     loop_count;

static int end(void **state)
{
    caches_end();
    while (loop_count > 0)
        loop_free(&loops[--loop_count]);
    return drain(state);
}

/* What is swept, if anything is. */
static struct cache_sweep chore_do(struct chore *chore)
{
    struct loop       *loop = loops[loop_count++] = loop_new(7);
    struct cache_sweep result = { .is_done = false };

    task_init(&chore->task, chore_look);
    chore->letter.open = chore_open;
    mailbox_post(loop, &chore->letter);
    loop_run(loop);
    if (chore->sweep != NULL)
        result = *chore->sweep;
    mem_free(chore->sweep);
    mem_free(chore->disk);
    return result;
}

static struct cache_sweep purge_prefix(struct cache *cache, const char *prefix, bool is_soft)
{
    struct chore chore = { .cache = cache,
                           .purge = { .kind = PURGE_PREFIX, .is_soft = is_soft,
                                      .prefix = text_from(prefix) },
                           .is_sweeping = true };

    return chore_do(&chore);
}

/* Behind them a sweep, so that no letter of theirs is left when the loop goes. */
static void purge_numbers(struct cache *cache, uint64_t first, uint64_t count)
{
    struct chore chore = { .cache = cache, .first = first, .count = count, .is_sweeping = true };

    (void)chore_do(&chore);
}

static size_t lines(struct cache *cache)
{
    return cache_figures(cache).purges;
}

/* ---- sweeping and forgetting ---- */

static void a_prefix_is_swept_out_and_forgotten(void **state)
{
    for (unsigned has_disk = 0; has_disk < 2; has_disk++) {
        struct cache      *cache = opened(has_disk != 0, 0);
        struct cache_sweep sweep;

        (void)state;
        for (uint64_t i = 0; i < 2000; i++)
            put(cache, i, 100);
        if (has_disk)
            WAIT_UNTIL(cache_figures(cache).disk.objects == 2000);
        sweep = purge_prefix(cache, "http://example.org/object/1", false);
        assert_true(sweep.is_done && !sweep.is_partial);
        assert_int_equal(sweep.memory, 1111);
        assert_int_equal(sweep.disk, has_disk ? 1111 : 0);
        assert_int_equal(cache_figures(cache).memory.objects, 889);
        assert_int_equal(cache_figures(cache).disk.objects, has_disk ? 889 : 0);
        WAIT_UNTIL(lines(cache) == 0);
        assert_false(is_in_memory(cache, 1));
        assert_true(is_in_memory(cache, 2));
        closed(&cache);
    }
}

static void what_is_stale_by_a_purge_stays_so(void **state)
{
    struct cache      *cache = opened(true, 0);
    struct cache_sweep sweep;
    struct object     *object;
    bool               is_purged = false;

    (void)state;
    put(cache, 1, 100);
    WAIT_UNTIL(cache_figures(cache).disk.objects == 1);
    sweep = purge_prefix(cache, "http://example.org/", true);
    assert_int_equal(sweep.memory + sweep.disk, 0);
    sweep = purge_prefix(cache, "http://example.com/", true);
    (void)usleep(50000);
    assert_true(lines(cache) >= 1);
    object = found(cache, 1, &is_purged);
    assert_true(object != NULL && is_purged);
    object_unref(object);
    put(cache, 1, 100);
    WAIT_UNTIL(cache_figures(cache).disk.written_bytes > 600);
    sweep = purge_prefix(cache, "http://example.com/", false);
    WAIT_UNTIL(lines(cache) == 0);
    assert_true(is_in_memory(cache, 1));
    closed(&cache);
}

static void a_long_book_is_gone_through(void **state)
{
    struct cache *cache = opened(false, 0);

    (void)state;
    for (uint64_t i = 0; i < 10000; i++)
        put(cache, i, 10);
    purge_numbers(cache, 5000, 10000);
    WAIT_UNTIL(lines(cache) < 5000);
    assert_false(is_in_memory(cache, 5000));
    assert_true(is_in_memory(cache, 4999));
    assert_true(cache_figures(cache).upkeep.memory > 0);
    closed(&cache);
}

/* Its serial is from before the purge; so the purge is kept until it is in, or given up. */
static void who_is_under_way_is_waited_for(void **state)
{
    struct cache     *cache = opened(false, 0);
    struct arrival    arrival = { .is_under_way = false };
    char              buffer[KEY_BYTES];
    struct cache_key  key = key_numbered(cache, 7, buffer);
    struct cache_sweep sweep;
    struct object    *object;

    (void)state;
    cache_arrive(cache, &key, &arrival);
    object = object_in(cache, 7, cache_next_serial(cache), 10);
    sweep = purge_prefix(cache, "http://", false);
    assert_true(sweep.is_done && !sweep.is_partial);
    (void)usleep(300000);
    assert_int_equal(lines(cache), 1);
    assert_false(cache_store(cache, object));
    cache_arrived(cache, &arrival);
    WAIT_UNTIL(lines(cache) == 0);
    object_unref(object);
    closed(&cache);
}

static void what_is_nowhere_is_known(void **state)
{
    for (unsigned has_disk = 0; has_disk < 2; has_disk++) {
        struct cache    *cache = opened(has_disk != 0, 0);
        struct arrival   arrival = { .is_under_way = false };
        char             buffer[KEY_BYTES];
        struct cache_key key = key_numbered(cache, 7, buffer);

        (void)state;
        assert_false(cache_may_hold(cache, &key));
        cache_arrive(cache, &key, &arrival);
        assert_true(cache_may_hold(cache, &key));
        put(cache, 7, 10);
        cache_arrived(cache, &arrival);
        assert_true(cache_may_hold(cache, &key));
        if (has_disk)
            WAIT_UNTIL(cache_figures(cache).disk.objects == 1);
        assert_int_equal(purge_prefix(cache, "http://", false).memory, 1);
        WAIT_UNTIL(!cache_may_hold(cache, &key));
        closed(&cache);
    }
}

/* Whoever waits is told, whatever came of it. */
static void closing_breaks_off_a_sweep(void **state)
{
    for (unsigned round = 0; round < 20; round++) {
        struct chore chore = { .cache = opened(true, 0),
                               .purge = { .kind = PURGE_PREFIX, .prefix = TEXT("http://") },
                               .is_sweeping = true,
                               .is_closing = true,
                               .pause_us = round % 2 * 200 * round };

        (void)state;
        for (uint64_t i = 0; i < 50; i++)
            put(chore.cache, i, 10000);
        assert_true(chore_do(&chore).is_done);
        folder_remove(folder);
    }
}

/* ---- what nobody asks for ---- */

static void what_nobody_asks_for_leaves_memory(void **state)
{
    struct cache *cache = opened(false, 800);
    int64_t       begin_ms = clock_mono_ms();

    (void)state;
    put(cache, 1, 10);
    put(cache, 2, 10);
    while (clock_mono_ms() - begin_ms < 600) {
        assert_true(is_in_memory(cache, 1));
        (void)usleep(10000);
    }
    WAIT_UNTIL(is_in_memory(cache, 1) && cache_figures(cache).memory.objects == 1);
    assert_true(clock_mono_ms() - begin_ms >= 800);
    assert_int_equal(cache_figures(cache).upkeep.idle, 1);
    closed(&cache);
}

/* Hits in memory are uses for the disk, too: or it would drop what is asked for all the time. */
static void what_memory_serves_is_kept_on_disk(void **state)
{
    struct cache *cache = opened(true, 400);
    int64_t       begin_ms = clock_mono_ms();

    (void)state;
    for (uint64_t i = 0; i < 10; i++)
        put(cache, i, 10);
    WAIT_UNTIL(cache_figures(cache).disk.objects == 10);
    while (clock_mono_ms() - begin_ms < 5000) {
        assert_true(is_in_memory(cache, 1));
        (void)usleep(10000);
    }
    assert_int_equal(cache_figures(cache).disk.objects, 1);
    assert_true(cache_figures(cache).disk.evicted >= 1);
    closed(&cache);
}

/* ---- memory ---- */

static uint64_t resident_bytes(void)
{
    FILE         *file = fopen("/proc/self/statm", "r");
    unsigned long size = 0, resident = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    (void)fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A full cache of small objects, with a book of purges, a disk and its index, costs what it may. */
static void the_process_grows_by_what_the_cache_may_have(void **state)
{
    uint64_t      before = resident_bytes(), grown;
    struct cache *cache = opened(true, 0);
    struct cache_figures figures;
    struct arrival       arrival = { .is_under_way = false };
    char                 buffer[KEY_BYTES];
    struct cache_key     key = key_numbered(cache, 1, buffer);

    (void)state;
    for (uint64_t i = 0; i < 250000; i++) {
        put(cache, i, 100);
        WAIT_UNTIL(cache_figures(cache).disk.written_bytes + 4 * MEGABYTE > i * 200);
    }
    cache_arrive(cache, &key, &arrival);         /* so no purge is forgotten */
    purge_numbers(cache, 1000000, 40000);
    (void)usleep(1500000);
    assert_int_equal(lines(cache), 40000);
    figures = cache_figures(cache);
    grown = resident_bytes() - before;
    print_message("%llu objects in memory, %llu on disk, counted %llu of %llu, %llu beside, grown by %llu\n",
                  (unsigned long long)figures.memory.objects,
                  (unsigned long long)figures.disk.objects,
                  (unsigned long long)figures.memory.bytes,
                  (unsigned long long)figures.memory.limit, (unsigned long long)figures.beside,
                  (unsigned long long)grown);
    assert_true(figures.memory.objects > 100000);
    assert_true(figures.memory.bytes <= MEMORY);
    /* Buffers of the disk's thread and what the allocator keeps come on top. */
    if (!is_sanitized)
        assert_true(grown > MEMORY - MEMORY / 5 && grown < MEMORY + MEMORY / 4);
    cache_arrived(cache, &arrival);
    closed(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_grows_by_what_the_cache_may_have),
        cmocka_unit_test(a_prefix_is_swept_out_and_forgotten),
        cmocka_unit_test(what_is_stale_by_a_purge_stays_so),
        cmocka_unit_test(a_long_book_is_gone_through),
        cmocka_unit_test(who_is_under_way_is_waited_for),
        cmocka_unit_test(what_is_nowhere_is_known),
        cmocka_unit_test(closing_breaks_off_a_sweep),
        cmocka_unit_test(what_nobody_asks_for_leaves_memory),
        cmocka_unit_test(what_memory_serves_is_kept_on_disk),
    };

    jobs_start(2);
    return cmocka_run_group_tests(tests, NULL, end);
}
