// SPDX-License-Identifier: MIT
/* large_body: bodies in files of their own are readable while they grow and after another start, go with
 * their record, and are believed only when their checksums say so. */
#include "disks.h"

#include <dirent.h>
#include <fcntl.h>

enum { PART = 256 * 1024 };

struct fixture {
    char           path[64];
    struct purges *purges;
    struct disk   *disk;
};

static struct fixture it;

static void open_again(uint64_t max_size)
{
    struct disk_settings settings = { .path = text_from(it.path), .max_size = max_size };
    struct text          complaint;

    disk_close(&it.disk);
    purges_free(&it.purges);
    it.purges = purges_new();
    assert_int_equal(disk_open(&settings, it.purges, &it.disk, &complaint), 0);
    wait_loaded(it.disk);
}

static int set_up(void **state)
{
    (void)state;
    jobs_start(2);
    folder_new(it.path);
    open_again(100 * MEGABYTE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    disk_close(&it.disk);
    purges_free(&it.purges);
    jobs_stop();
    folder_remove(it.path);
    pools_drain();
    return 0;
}

/* How many files lie in large/; the name of the last one in `path`. */
static unsigned count_files(char path[160])
{
    char           folder[80];
    DIR           *list;
    struct dirent *entry;
    unsigned       count = 0;

    (void)snprintf(folder, sizeof(folder), "%s/large", it.path);
    list = opendir(folder);
    assert_non_null(list);
    while ((entry = readdir(list)) != NULL)
        if (entry->d_name[0] != '.') {
            count++;
            (void)snprintf(path, 160, "%.70s/%.70s", folder, entry->d_name);
        }
    (void)closedir(list);
    return count;
}

static bool has_files(unsigned count)
{
    char path[160];

    return count_files(path) == count;
}

static void store_large(uint64_t number, uint64_t serial, uint64_t len)
{
    struct object *object = large_numbered(it.disk, number, serial, len);

    assert_non_null(object);
    store_object(it.disk, object);
}

static const uint64_t sizes[] = { 0, 1, PART - 1, PART, PART + 1, 5 * PART, 5 * MEGABYTE + 7 };
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void all_is_read_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SIZES; i++)
        store_large(i, 100 + i, sizes[i]);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < SIZES; i++)
            assert_true(is_there(it.disk, i, 100 + i, sizes[i]));
        assert_true(has_files(SIZES));
        open_again(100 * MEGABYTE);
    }
    assert_int_equal(disk_figures(it.disk).damaged, 0);
}

static void note(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static void it_is_read_while_it_grows(void **state)
{
    struct large_body *body = large_body_new(it.disk);
    atomic_uint        told = 0;
    struct slice       slice;
    unsigned char      wanted[1000];

    (void)state;
    assert_non_null(body);
    large_body_watch(body, note, &told);
    assert_true(large_body_append(body, slice_copy(TEXT("0123456789"))));
    WAIT_UNTIL(large_body_written(body) == 10);
    assert_true(atomic_load(&told) > 0);
    slice = read_large(body, 3, 100);
    assert_true(text_is_equal(slice_text(slice), TEXT("3456789")));
    slice_unref(slice);
    slice = read_large(body, 10, 100);
    assert_int_equal(slice.len, 0);
    assert_false(large_body_has_failed(body));
    memset(wanted, 'x', sizeof(wanted));
    assert_true(large_body_append(body, slice_copy(text_of((char *)wanted, sizeof(wanted)))));
    WAIT_UNTIL(large_body_written(body) == 1010);
    assert_int_equal(large_body_pending(body), 0);
    slice = read_large(body, 10, 2000);
    assert_true(text_is_equal(slice_text(slice), text_of((char *)wanted, sizeof(wanted))));
    slice_unref(slice);
    assert_false(large_body_is_whole(body));
    large_body_unwatch(body);
    large_body_unref(body);
    WAIT_UNTIL(has_files(0));
}

static void what_no_record_names_is_deleted(void **state)
{
    struct object *object = large_numbered(it.disk, 1, 1, MEGABYTE);

    (void)state;
    assert_true(has_files(1));
    object_unref(object);
    WAIT_UNTIL(has_files(0));
    object = large_numbered(it.disk, 2, 2, MEGABYTE);
    disk_close(&it.disk);
    assert_true(has_files(1));           /* as after a crash: its end came too late */
    object_unref(object);
    open_again(100 * MEGABYTE);
    assert_true(has_files(0));
    assert_true(is_absent(it.disk, 2));
}

static void what_is_replaced_is_deleted(void **state)
{
    struct object *held;
    struct slice   slice;

    (void)state;
    store_large(1, 1, MEGABYTE);
    held = read_number(it.disk, 1);
    store_large(1, 2, 2 * MEGABYTE);
    WAIT_UNTIL(has_files(1));
    assert_true(is_there(it.disk, 1, 2, 2 * MEGABYTE));
    assert_true(has_content(held, 1));   /* whoever holds it reads on */
    slice = read_large(held->large, MEGABYTE - 10, 100);
    assert_int_equal(slice.len, 10);
    slice_unref(slice);
    object_unref(held);
    store_number(it.disk, 1, 3, 1000);
    WAIT_UNTIL(has_files(0));
    assert_true(is_there(it.disk, 1, 3, 1000));
}

/* A 304 makes a new object around the same body. */
static void a_refreshed_one_keeps_the_file(void **state)
{
    struct object *first, *second;

    (void)state;
    store_large(1, 1, MEGABYTE);
    first = read_number(it.disk, 1);
    second = object_around(disk_seed(it.disk), 1, 1, MEGABYTE, first->large);
    object_unref(first);
    store_object(it.disk, second);
    assert_true(has_files(1));
    open_again(100 * MEGABYTE);
    assert_true(has_files(1));
    assert_true(is_there(it.disk, 1, 1, MEGABYTE));
}

static void they_are_evicted_and_counted(void **state)
{
    const uint64_t limit = 20 * MEGABYTE;

    (void)state;
    open_again(limit);
    for (unsigned i = 0; i < 40; i++) {
        store_large(i, i, 2 * MEGABYTE);
        assert_true(disk_figures(it.disk).bytes <= limit);
        assert_true(is_there(it.disk, i, i, 2 * MEGABYTE));
    }
    assert_true(disk_figures(it.disk).bytes > 15 * MEGABYTE);
    assert_true(is_there(it.disk, 35, 35, 2 * MEGABYTE));
    assert_true(is_absent(it.disk, 0));
    assert_true(is_absent(it.disk, 25));
}

static void half_of_the_cache_is_too_much(void **state)
{
    (void)state;
    open_again(10 * MEGABYTE);
    store_number(it.disk, 1, 1, 1000);
    assert_null(large_numbered(it.disk, 2, 2, 6 * MEGABYTE));
    assert_false(disk_figures(it.disk).is_failing);
    assert_true(is_there(it.disk, 1, 1, 1000));
    WAIT_UNTIL(has_files(0));
}

/* ---- damage ---- */

static void flip(const char *path, off_t at)
{
    int           fd = open(path, O_RDWR);
    unsigned char byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

static void a_flipped_bit_is_found(void **state)
{
    const off_t places[] = { 0, 2 * PART + 5, MEGABYTE - 1 };
    char        path[160];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        store_large(i, i, MEGABYTE);
        assert_int_equal(count_files(path), 1);
        flip(path, places[i]);
        assert_false(is_there(it.disk, i, i, MEGABYTE));
        WAIT_UNTIL(is_absent(it.disk, i));
        WAIT_UNTIL(has_files(0));
    }
    assert_true(disk_figures(it.disk).damaged >= 3);   /* who looks before it has gone finds it once more */
}

/* Parts that are sound are given out nevertheless. */
static void only_the_damaged_part_is_refused(void **state)
{
    struct object *object;
    struct slice   slice;
    char           path[160];

    (void)state;
    store_large(1, 1, MEGABYTE);
    open_again(100 * MEGABYTE);
    assert_int_equal(count_files(path), 1);
    flip(path, PART + 5);
    object = read_number(it.disk, 1);
    slice = read_large(object->large, 100, 1000);
    assert_int_equal(slice.len, 1000);
    slice_unref(slice);
    slice = read_large(object->large, PART + 1000, 10);
    assert_int_equal(slice.len, 0);
    assert_true(large_body_has_failed(object->large));
    object_unref(object);
}

static void a_file_that_is_cut_is_found(void **state)
{
    struct object *object;
    struct slice   slice;
    char           path[160];

    (void)state;
    store_large(1, 1, MEGABYTE);
    object = read_number(it.disk, 1);
    assert_int_equal(count_files(path), 1);
    assert_int_equal(truncate(path, PART + 10), 0);
    slice = read_large(object->large, PART + 1000, 10);      /* it is open */
    assert_int_equal(slice.len, 0);
    object_unref(object);
    WAIT_UNTIL(is_absent(it.disk, 1));
    store_large(2, 2, MEGABYTE);
    open_again(100 * MEGABYTE);
    assert_int_equal(count_files(path), 1);
    assert_int_equal(truncate(path, MEGABYTE), 0);           /* no trailer */
    assert_true(is_absent(it.disk, 2));
    store_large(3, 3, MEGABYTE);
    open_again(100 * MEGABYTE);
    WAIT_UNTIL(count_files(path) >= 1);
    assert_true(is_there(it.disk, 3, 3, MEGABYTE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_read_while_it_grows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_record_names_is_deleted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_replaced_is_deleted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refreshed_one_keeps_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(they_are_evicted_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_of_the_cache_is_too_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flipped_bit_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_damaged_part_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_cut_is_found, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
