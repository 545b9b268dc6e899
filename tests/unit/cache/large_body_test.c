// SPDX-License-Identifier: MIT
/* large_body: bodies in files of their own are readable while they grow and after another start, go with
 * their record, and are believed only when their checksums say so. */
#include "disks.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

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

/* ---- somebody else writes to the file ---- */

static int64_t change_time(int fd)
{
    struct stat stat;

    assert_int_equal(fstat(fd, &stat), 0);
    return stat.st_ctim.tv_sec * INT64_C(1000000000) + stat.st_ctim.tv_nsec;
}

/* Until the clock by which files are stamped has gone on. */
static void write_over(const char *path, off_t at, const char *bytes, size_t len)
{
    int     fd = open(path, O_WRONLY);
    int64_t before;

    assert_true(fd >= 0);
    before = change_time(fd);
    do
        assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    while (change_time(fd) == before);
    (void)close(fd);
}

static bool is_readable(struct large_body *body, uint64_t from)
{
    struct slice slice = read_large(body, from, 1000);
    bool         is_readable = slice.len > 0;

    slice_unref(slice);
    return is_readable;
}

/* It was found sound before; the other parts still are. */
static void what_is_written_over_is_found_though_it_was_checked(void **state)
{
    struct object *object = large_numbered(it.disk, 1, 1, 4 * PART);
    char           path[160];

    (void)state;
    store_object(it.disk, object_ref(object));
    assert_int_equal(count_files(path), 1);
    assert_true(has_large_content(object, 1));
    write_over(path, PART + 1000, "foreign", 7);
    assert_true(is_readable(object->large, 0));
    assert_false(is_readable(object->large, PART));
    object_unref(object);
    WAIT_UNTIL(is_absent(it.disk, 1));
}

static void a_file_that_is_merely_touched_is_read_on(void **state)
{
    struct object *object = large_numbered(it.disk, 1, 1, 4 * PART);
    char           path[160], same[8];

    (void)state;
    store_object(it.disk, object_ref(object));
    assert_int_equal(count_files(path), 1);
    assert_true(has_large_content(object, 1));
    content_fill((unsigned char *)same, sizeof(same), 2000, 1, 1);
    write_over(path, 2000, same, sizeof(same));
    assert_true(has_large_content(object, 1));
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(has_large_content(object, 1));
    assert_int_equal(unlink(path), 0);
    assert_true(has_large_content(object, 1));
    assert_int_equal(disk_figures(it.disk).damaged, 0);
    object_unref(object);
}

static struct large_body *begun(uint64_t len)
{
    struct large_body *body = large_body_new(it.disk);
    struct slice       slice;

    assert_non_null(body);
    for (uint64_t at = 0; at < len; at += slice.len) {
        slice = (struct slice){ .block = block_new_sized(50000), .len = 50000 };
        content_fill(slice.block->bytes, slice.len, at, 1, 1);
        assert_true(large_body_append(body, slice));
    }
    WAIT_UNTIL(large_body_pending(body) == 0);
    return body;
}

static void go_on(struct large_body *body)
{
    struct slice slice = { .block = block_new_sized(50000), .len = 50000 };

    memset(slice.block->bytes, 'x', slice.len);
    (void)large_body_append(body, slice);
    WAIT_UNTIL(large_body_pending(body) == 0);
}

/* What comes behind must not make a hole of it. */
static void one_that_is_cut_while_it_grows_has_no_hole(void **state)
{
    char               path[160];
    struct large_body *body = begun(600000);

    (void)state;
    assert_true(is_readable(body, 0));
    assert_int_equal(count_files(path), 1);
    assert_int_equal(truncate(path, 0), 0);
    go_on(body);
    assert_true(large_body_has_failed(body));
    assert_false(is_readable(body, 0));
    assert_false(is_readable(body, 599000));
    assert_true(disk_figures(it.disk).damaged > 0);
    assert_false(disk_figures(it.disk).is_failing);
    large_body_unref(body);
}

/* In a part that is whole, and in the one that is being written. */
static void one_that_is_written_over_while_it_grows_is_found(void **state)
{
    const off_t places[] = { 1000, 2 * PART + 1000 };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        char               path[160];
        struct large_body *body = begun(600000);
        assert_int_equal(count_files(path), 1);
        write_over(path, places[i], "foreign", 7);
        assert_true(is_readable(body, PART));
        assert_false(is_readable(body, (uint64_t)places[i] - 500));
        large_body_unref(body);
        WAIT_UNTIL(has_files(0));
    }
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
        cmocka_unit_test_setup_teardown(what_is_written_over_is_found_though_it_was_checked, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_merely_touched_is_read_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_cut_while_it_grows_has_no_hole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_written_over_while_it_grows_is_found, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
