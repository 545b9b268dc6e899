// SPDX-License-Identifier: MIT
/* The disk tier under threads: four find and read, small and large, while others store, purge, and the
 * oldest is evicted beneath them. Whatever is read is what was stored. For ThreadSanitizer above all. */
#include "disks.h"

#include <pthread.h>

enum { READERS = 4, NUMBERS = 200, STORES = 1500, LIMIT = 6 * MEGABYTE };

static struct {
    struct disk  *disk;
    atomic_bool   is_over;
    atomic_uint   hits, wrong, too_large;
} shared;

static uint64_t length_of(uint64_t number)
{
    return number % 40 == 0 ? 300000 : number % 9 * 9000;
}

static void *reader_run(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg;

    while (!atomic_load(&shared.is_over)) {
        uint64_t       number = (random = mix(random, 3)) % NUMBERS;
        struct object *object = read_number(shared.disk, number);

        if (object == NULL)
            continue;
        if (object->body_len != length_of(number) || !has_content(object, number))
            atomic_fetch_add(&shared.wrong, 1);
        atomic_fetch_add(&shared.hits, 1);
        disk_note_use(shared.disk, object);
        object_unref(object);
    }
    pools_drain();
    return NULL;
}

static void *figures_run(void *arg)
{
    (void)arg;
    while (!atomic_load(&shared.is_over)) {
        struct disk_settings settings = { .max_size = LIMIT, .snapshot_ms = 5 };

        if (disk_figures(shared.disk).bytes > LIMIT)
            atomic_fetch_add(&shared.too_large, 1);
        disk_set(shared.disk, &settings);
        (void)usleep(500);
    }
    return NULL;
}

static void store_many(void)
{
    for (uint64_t serial = 1; serial <= STORES; serial++) {
        uint64_t       number = mix(serial, 9) % NUMBERS, len = length_of(number);
        struct object *object = number % 40 == 0
                                    ? large_numbered(shared.disk, number, serial, len)
                                    : object_numbered(disk_seed(shared.disk), number, serial, len);

        if (object != NULL) {
            while (!disk_store(shared.disk, object))
                (void)usleep(1000);
            object_unref(object);
        }
    }
}

static void reading_while_it_is_written(void **state)
{
    char                 path[64];
    struct purges       *purges = purges_new();
    struct disk_settings settings = { .max_size = LIMIT, .snapshot_ms = 5 };
    struct text          complaint;
    pthread_t            threads[READERS + 1];

    (void)state;
    jobs_start(3);
    folder_new(path);
    settings.path = text_from(path);
    assert_int_equal(disk_open(&settings, purges, &shared.disk, &complaint), 0);
    wait_loaded(shared.disk);
    for (uintptr_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader_run, (void *)(i + 1)), 0);
    assert_int_equal(pthread_create(&threads[READERS], NULL, figures_run, NULL), 0);
    store_many();
    atomic_store(&shared.is_over, true);
    for (unsigned i = 0; i <= READERS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    assert_int_equal(atomic_load(&shared.too_large), 0);
    assert_true(atomic_load(&shared.hits) > 100);
    assert_true(disk_figures(shared.disk).evicted > 100);
    assert_int_equal(disk_figures(shared.disk).damaged, 0);
    disk_close(&shared.disk);
    purges_free(&purges);
    jobs_stop();
    folder_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reading_while_it_is_written) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
