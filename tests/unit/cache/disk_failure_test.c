// SPDX-License-Identifier: MIT
/* disk: whatever is wrong with the disk, the directory or its files makes misses and a line in the log. */
#include "disks.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "cache/disk_parts.h"

struct fixture {
    char           above[64], path[80];
    struct purges *purges;
    struct disk   *disk;
};

static struct fixture it;
static bool           may_mount;
static unsigned       lines;
static char           last_line[1024];

static void line_note(void *target, enum log_level level, struct text line)
{
    (void)target;
    (void)level;
    lines++;
    (void)snprintf(last_line, sizeof(last_line), "%.*s", TEXT_ARGS(line));
}

static const struct log noted = { .level = LOG_NOTICE, .write = line_note };

static void close_disk(void)
{
    disk_close(&it.disk);
    purges_free(&it.purges);
}

static int try_open(struct disk_settings settings, struct text *complaint)
{
    int r;

    close_disk();
    settings.path = text_from(it.path);
    if (settings.max_size == 0)
        settings.max_size = 100 * MEGABYTE;
    it.purges = purges_new();
    r = disk_open(&settings, it.purges, &it.disk, complaint);
    if (r < 0)
        purges_free(&it.purges);
    return r;
}

static void open_again(struct disk_settings settings)
{
    struct text complaint;

    assert_int_equal(try_open(settings, &complaint), 0);
    wait_loaded(it.disk);
}

#define DEFAULTS ((struct disk_settings){ .min_free = 0 })

static int set_up(void **state)
{
    (void)state;
    jobs_start(2);
    folder_new(it.above);
    (void)snprintf(it.path, sizeof(it.path), "%s/cache", it.above);
    assert_int_equal(mkdir(it.path, 0700), 0);
    lines = 0;
    log_use(&noted);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_disk();
    jobs_stop();
    log_use(NULL);
    (void)umount2(it.above, MNT_DETACH);
    folder_remove(it.above);
    pools_drain();
    return 0;
}

static void file_write(const char *name, const char *content)
{
    char  path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", it.path, name);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(content, file);
    assert_int_equal(fclose(file), 0);
}

static bool file_is_there(const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", it.path, name);
    return access(path, F_OK) == 0;
}

/* ---- whose directory it is ---- */

static void another_programs_directory_is_refused(void **state)
{
    struct text complaint;
    char        path[256];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/a", it.path);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/a/bc", it.path);
    assert_int_equal(mkdir(path, 0700), 0);
    file_write("a/bc/0123456789abcdef0123456789abcdbca", "KEY: something");
    assert_int_equal(try_open(DEFAULTS, &complaint), -EEXIST);
    assert_true(text_find_text(complaint, TEXT("\"a\"")) < complaint.len);
    assert_true(file_is_there("a/bc/0123456789abcdef0123456789abcdbca"));
    assert_false(file_is_there("frontdesk-cache"));
    assert_false(file_is_there("starts"));
}

static void no_directory_is_said(void **state)
{
    struct text complaint;

    (void)state;
    assert_int_equal(rmdir(it.path), 0);
    assert_int_equal(try_open(DEFAULTS, &complaint), -ENOENT);
    assert_true(text_find_text(complaint, TEXT("No such file")) < complaint.len);
    assert_int_equal(mkdir(it.path, 0700), 0);
}

static void foreign_files_among_ours_are_left_alone(void **state)
{
    struct text complaint;
    char        path[256];

    (void)state;
    open_again(DEFAULTS);
    store_number(it.disk, 1, 1, 1000);
    file_write("notes.txt", "of the administrator");
    file_write("segment-2", "not our way to write it");
    file_write("large/readme", "hello");
    (void)snprintf(path, sizeof(path), "%s/segment-0000000007", it.path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(try_open(DEFAULTS, &complaint), 0);
    assert_true(complaint.len > 0);
    wait_loaded(it.disk);
    assert_true(is_there(it.disk, 1, 1, 1000));
    store_number(it.disk, 2, 2, 1000);
    assert_true(is_there(it.disk, 2, 2, 1000));
    assert_true(file_is_there("notes.txt"));
    assert_true(file_is_there("segment-2"));
    assert_true(file_is_there("large/readme"));
}

static void a_damaged_superblock_starts_empty(void **state)
{
    const char *const contents[] = { "", "frontdesk cache, format 1\n", "frontdesk cache, format 2\nx",
                                     "frontdesk cache, format 1\nseed 12\n" };
    struct text       complaint;
    uint64_t          seed = 0;

    (void)state;
    open_again(DEFAULTS);
    for (unsigned i = 0; i < 4; i++) {
        store_number(it.disk, 1, 1, 1000);
        close_disk();
        file_write("frontdesk-cache", contents[i]);
        assert_int_equal(try_open(DEFAULTS, &complaint), 0);
        assert_true(complaint.len > 0);
        wait_loaded(it.disk);
        assert_true(disk_seed(it.disk) != seed);
        seed = disk_seed(it.disk);
        assert_int_equal(disk_figures(it.disk).objects, 0);
        assert_true(is_absent(it.disk, 1));
    }
}

static void the_second_waits_for_the_first(void **state)
{
    struct disk_settings settings = { .path = text_from(it.path), .max_size = 100 * MEGABYTE };
    struct purges       *purges = purges_new();
    struct disk         *second;
    struct object       *object;
    struct text          complaint;

    (void)state;
    open_again(DEFAULTS);
    store_number(it.disk, 1, 1, 1000);
    assert_int_equal(disk_open(&settings, purges, &second, &complaint), 0);
    object = object_numbered(disk_seed(second), 2, 2, 1000);
    assert_true(disk_figures(second).is_loading);
    assert_true(is_absent(second, 1));
    assert_false(disk_store(second, object));
    assert_null(large_body_new(second));
    store_number(it.disk, 3, 3, 1000);   /* the first goes on */
    assert_true(is_there(it.disk, 3, 3, 1000));
    close_disk();
    wait_loaded(second);
    assert_true(is_there(second, 1, 1, 1000));
    assert_true(is_there(second, 3, 3, 1000));
    store_object(second, object);
    assert_true(is_there(second, 2, 2, 1000));
    disk_close(&second);
    purges_free(&purges);
}

/* A binary upgrade: the old process still serves what it holds. */
static void who_leaves_makes_room_for_the_next(void **state)
{
    struct disk_settings settings = { .path = text_from(it.path), .max_size = 100 * MEGABYTE };
    struct purges       *purges = purges_new();
    struct disk         *second;
    struct object       *large, *object;
    struct large_body   *growing;
    struct text          complaint;

    (void)state;
    open_again(DEFAULTS);
    store_number(it.disk, 1, 1, 1000);
    object = large_numbered(it.disk, 2, 2, MEGABYTE);
    assert_non_null(object);
    store_object(it.disk, object);
    large = read_number(it.disk, 2);
    growing = large_body_new(it.disk);
    assert_true(large_body_append(growing, slice_copy(TEXT("part"))));
    WAIT_UNTIL(large_body_written(growing) == 4);
    assert_int_equal(disk_open(&settings, purges, &second, &complaint), 0);
    disk_leave(it.disk);
    wait_loaded(second);
    assert_true(is_there(second, 1, 1, 1000));
    assert_true(is_there(second, 2, 2, MEGABYTE));
    store_number(second, 2, 3, 100);     /* its file goes */
    assert_true(has_content(large, 2));
    object_unref(large);
    assert_true(is_absent(it.disk, 1));
    object = object_numbered(disk_seed(it.disk), 5, 5, 100);
    assert_false(disk_store(it.disk, object));
    object_unref(object);
    (void)large_body_append(growing, slice_copy(TEXT("more")));
    WAIT_UNTIL(large_body_has_failed(growing));
    large_body_unref(growing);
    close_disk();
    assert_true(is_there(second, 2, 3, 100));
    assert_int_equal(disk_figures(second).damaged, 0);
    disk_close(&second);
    purges_free(&purges);
}

/* ---- damage ---- */

enum { MANY = 60 };

static uint64_t length_of(uint64_t number)
{
    return number % 5 == 0 ? 100000 : number * 37;
}

static void store_many(void)
{
    for (unsigned i = 0; i < MANY; i++)
        store_number(it.disk, i, i + 1, length_of(i));
}

/* Each object is right or absent; how many are there. */
static unsigned count_right(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < MANY; i++) {
        if (is_there(it.disk, i, i + 1, length_of(i)))
            count++;
        else
            assert_true(is_absent(it.disk, i));
    }
    return count;
}

static int segment_fd(void)
{
    char path[256];
    int  fd;

    (void)snprintf(path, sizeof(path), "%s/segment-0000000001", it.path);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static void lose_index(void)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/index", it.path);
    (void)unlink(path);
}

static void flipped_bits_are_never_read(void **state)
{
    int           fd;
    off_t         size;
    unsigned char byte;

    (void)state;
    open_again(DEFAULTS);
    store_many();
    fd = segment_fd();
    size = lseek(fd, 0, SEEK_END);
    for (uint64_t i = 1; i <= 20; i++) {
        off_t at = (off_t)(mix(i, 1) % (uint64_t)size);

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= (unsigned char)(1u << i % 8);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    (void)close(fd);
    assert_in_range(count_right(), MANY - 25, MANY - 2);     /* while it runs */
    open_again(DEFAULTS);                                    /* by the snapshot */
    assert_in_range(count_right(), MANY - 25, MANY - 2);
    close_disk();
    lose_index();
    open_again(DEFAULTS);                                    /* by replay */
    assert_in_range(count_right(), MANY - 25, MANY - 2);
    assert_true(disk_figures(it.disk).damaged > 0);
}

static void zeroed_pages_are_never_read(void **state)
{
    static const char zeros[4096];
    int               fd;
    off_t             size;

    (void)state;
    open_again(DEFAULTS);
    store_many();
    fd = segment_fd();
    size = lseek(fd, 0, SEEK_END);
    for (uint64_t i = 1; i <= 5; i++)
        assert_int_equal(pwrite(fd, zeros, sizeof(zeros),
                                (off_t)(mix(i, 4) % (uint64_t)size / 4096 * 4096)),
                         sizeof(zeros));
    (void)close(fd);
    assert_in_range(count_right(), 10, MANY - 1);
    close_disk();
    lose_index();
    open_again(DEFAULTS);
    assert_in_range(count_right(), 10, MANY - 1);
    store_many();
    assert_int_equal(count_right(), MANY);
}

static void what_is_cut_off_is_absent(void **state)
{
    int      fd;
    off_t    size;
    unsigned before = MANY, now;

    (void)state;
    open_again(DEFAULTS);
    store_many();
    fd = segment_fd();
    size = lseek(fd, 0, SEEK_END);
    for (unsigned i = 1; i <= 8; i++) {
        assert_int_equal(ftruncate(fd, size * (8 - i) / 8 + (i < 8 ? i : 0)), 0);
        if (i % 2 == 0) {
            close_disk();
            if (i % 4 == 0)
                lose_index();
            open_again(DEFAULTS);
        }
        now = count_right();
        assert_true(now <= before);
        before = now;
    }
    assert_int_equal(before, 0);
    (void)close(fd);
    store_number(it.disk, 1, 2, length_of(1));
    assert_true(is_there(it.disk, 1, 2, length_of(1)));
}

static void a_clock_that_was_wrong_makes_no_negative_age(void **state)
{
    struct object *object;

    (void)state;
    open_again(DEFAULTS);
    object = object_numbered(disk_seed(it.disk), 1, 1, 100);
    object->facts.response_ms += 3600 * 1000;
    object->facts.initial_age_s = 7;
    store_object(it.disk, object);
    object = read_number(it.disk, 1);
    assert_in_range(object_age_s(object, clock_mono_ms()), 7, 60);
    object_unref(object);
    object = object_numbered(disk_seed(it.disk), 2, 2, 100);
    object->facts.response_ms = 0;       /* stored in 1970 */
    store_object(it.disk, object);
    object = read_number(it.disk, 2);
    assert_true(object_age_s(object, clock_mono_ms()) > 1000 * 1000);
    object_unref(object);
}

/* ---- full disks ---- */

static void mount_small(const char *size)
{
    char options[32];

    if (!may_mount)
        skip();
    (void)snprintf(options, sizeof(options), "size=%s", size);
    assert_int_equal(mount("tmpfs", it.above, "tmpfs", 0, options), 0);
    assert_int_equal(mkdir(it.path, 0700), 0);
}

/* Beside the cache, until nothing more fits; how much. */
static void fill_the_disk(const char *path)
{
    static char bytes[65536];
    int         fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    while (write(fd, bytes, sizeof(bytes)) > 0) {
    }
    (void)close(fd);
}

static void a_full_disk_makes_misses_and_recovers(void **state)
{
    struct object *object;
    char           filler[80];
    unsigned       dropped;

    (void)state;
    mount_small("12m");
    open_again(DEFAULTS);
    for (unsigned i = 0; i < 20; i++)
        store_number(it.disk, i, i, 50000);
    (void)snprintf(filler, sizeof(filler), "%s/filler", it.above);
    fill_the_disk(filler);
    for (unsigned i = 100; !disk_figures(it.disk).is_failing; i++) {
        object = object_numbered(disk_seed(it.disk), i, i, 50000);
        (void)disk_store(it.disk, object);
        object_unref(object);
        (void)usleep(1000);
        assert_true(i < 1000);
    }
    object = object_numbered(disk_seed(it.disk), 50, 50, 1000);
    assert_false(disk_store(it.disk, object));       /* says what is wrong */
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "No space left"));
    dropped = (unsigned)disk_figures(it.disk).dropped_writes;
    assert_true(dropped > 0);
    assert_null(large_body_new(it.disk));
    for (unsigned i = 0; i < 20; i++)
        assert_true(is_there(it.disk, i, i, 50000));
    assert_int_equal(unlink(filler), 0);
    WAIT_UNTIL(disk_store(it.disk, object));
    WAIT_UNTIL(atomic_load(&object->place) != 0);
    object_unref(object);
    assert_true(is_there(it.disk, 50, 50, 1000));
    open_again(DEFAULTS);
    for (unsigned i = 0; i < 20; i++)
        assert_true(is_there(it.disk, i, i, 50000));
    assert_true(is_there(it.disk, 50, 50, 1000));
}

static void a_large_body_on_a_full_disk_fails(void **state)
{
    struct large_body *body;
    struct slice       slice;
    char               filler[80];

    (void)state;
    mount_small("4m");
    open_again(DEFAULTS);
    body = large_body_new(it.disk);
    assert_non_null(body);
    assert_true(large_body_append(body, slice_copy(TEXT("beginning"))));
    WAIT_UNTIL(large_body_written(body) == 9);
    (void)snprintf(filler, sizeof(filler), "%s/filler", it.above);
    fill_the_disk(filler);
    for (unsigned i = 0; i < 10 && !large_body_has_failed(body); i++) {
        slice = (struct slice){ .block = block_new_sized(50000), .len = 50000 };
        memset(slice.block->bytes, 'x', 50000);
        (void)large_body_append(body, slice);
        WAIT_UNTIL(large_body_pending(body) == 0);
    }
    WAIT_UNTIL(disk_figures(it.disk).is_failing);
    assert_true(large_body_has_failed(body));
    assert_int_equal(lines, 0);          /* nobody has asked for anything since */
    disk_say(it.disk);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "nothing is stored for now"));
    disk_say(it.disk);
    assert_int_equal(lines, 1);
    large_body_finish(body);
    slice = read_large(body, 0, 9);
    assert_true(text_is_equal(slice_text(slice), TEXT("beginning")));
    slice_unref(slice);
    assert_false(large_body_is_whole(body));
    large_body_unref(body);
}

static void what_fails_at_the_end_is_said(void **state)
{
    char filler[80];

    (void)state;
    mount_small("4m");
    open_again(DEFAULTS);
    store_number(it.disk, 1, 1, 1000);
    (void)snprintf(filler, sizeof(filler), "%s/filler", it.above);
    fill_the_disk(filler);
    close_disk();                        /* for its index there is no room */
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "writing the index failed"));
}

/* Its time is over before what comes behind it. */
static void time_passes(struct disk *disk, struct disk_work *work)
{
    (void)work;
    WAIT_UNTIL(atomic_load(&disk->end_ms) != 0);
    atomic_store(&disk->end_ms, 1);
}

static void what_is_not_written_in_time_is_dropped_and_counted(void **state)
{
    struct disk_work slow = { .run = time_passes };
    struct object   *object;

    (void)state;
    open_again(DEFAULTS);
    for (unsigned i = 0; i < 20; i++)
        store_number(it.disk, i, i + 1, 30000);
    assert_true(disk_queue_put(&it.disk->queue, &slow));
    for (unsigned i = 20; i < 50; i++) {
        object = object_numbered(disk_seed(it.disk), i, i + 1, 30000);
        assert_true(disk_store(it.disk, object));
        object_unref(object);
    }
    close_disk();
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, ": 30 answers that waited to be written were dropped"));
    open_again(DEFAULTS);
    for (unsigned i = 0; i < 20; i++)
        assert_true(is_there(it.disk, i, i + 1, 30000));
    for (unsigned i = 20; i < 50; i++)
        assert_true(is_absent(it.disk, i));
    assert_int_equal(disk_figures(it.disk).damaged, 0);
}

/* The purge is answered for; no answer is, so that is not written for want of time. */
static void a_purge_holds_though_time_is_over(void **state)
{
    struct purge      purge = { .kind = PURGE_ALL, .serial = 1000 };
    struct disk_work  slow = { .run = time_passes };
    struct disk_purge *asked = mem_new(sizeof(*asked));

    (void)state;
    open_again(DEFAULTS);
    store_number(it.disk, 1, 1, 1000);
    assert_true(disk_queue_put(&it.disk->queue, &slow));
    assert_true(purges_add(it.purges, &purge));
    *asked = (struct disk_purge){ .disk = it.disk, .purge = purge };
    disk_purge_start(asked);
    close_disk();
    open_again(DEFAULTS);
    assert_true(is_absent(it.disk, 1));
}

static void min_free_is_kept_by_evicting(void **state)
{
    struct statvfs file_system;

    (void)state;
    mount_small("12m");
    open_again((struct disk_settings){ .min_free = 4 * MEGABYTE, .max_size = 11 * MEGABYTE });
    for (unsigned i = 0; i < 400; i++)
        store_number(it.disk, i, i, 40000);
    assert_int_equal(statvfs(it.above, &file_system), 0);
    assert_true((uint64_t)file_system.f_bavail * file_system.f_frsize >= 4 * MEGABYTE - 65536);
    assert_false(disk_figures(it.disk).is_failing);
    assert_true(disk_figures(it.disk).evicted > 100);
    assert_true(is_there(it.disk, 399, 399, 40000));
}

static void a_directory_that_vanishes_makes_misses(void **state)
{
    struct object *object;

    (void)state;
    open_again((struct disk_settings){ .max_size = 8 * MEGABYTE });
    store_number(it.disk, 1, 1, 1000);
    folder_remove(it.path);
    assert_true(is_there(it.disk, 1, 1, 1000));      /* its file is open */
    for (unsigned i = 10; !disk_figures(it.disk).is_failing; i++) {
        object = object_numbered(disk_seed(it.disk), i, i, 60000);
        (void)disk_store(it.disk, object);
        object_unref(object);
        (void)usleep(1000);
        assert_true(i < 1000);
    }
    assert_true(is_absent(it.disk, 5000));
    object = object_numbered(disk_seed(it.disk), 2, 2, 1000);
    assert_false(disk_store(it.disk, object));       /* says what is wrong */
    object_unref(object);
    assert_int_equal(lines, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_programs_directory_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_directory_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_files_among_ours_are_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_superblock_starts_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_second_waits_for_the_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_leaves_makes_room_for_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flipped_bits_are_never_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(zeroed_pages_are_never_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_cut_off_is_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clock_that_was_wrong_makes_no_negative_age, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_makes_misses_and_recovers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_body_on_a_full_disk_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_fails_at_the_end_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_written_in_time_is_dropped_and_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_purge_holds_though_time_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(min_free_is_kept_by_evicting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_that_vanishes_makes_misses, set_up, tear_down),
    };

    may_mount = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
