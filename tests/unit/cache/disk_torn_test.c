// SPDX-License-Identifier: MIT
/* What a loss of power leaves: the log, or the snapshot of the index, ends at any byte, or is zeros from there
 * on. What was whole is there, what was not is absent, and purges hold. */
#include "disks.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "cache/disk_parts.h"

enum { FILE_MOST = 16 * 1024, LEN = 40 };

static char           folder[64];
static struct purges *purges;
static struct disk   *disk;

static void close_disk(void)
{
    disk_close(&disk);
    purges_free(&purges);
}

static void open_disk(void)
{
    struct disk_settings settings = { .path = text_from(folder), .max_size = 100 * MEGABYTE };
    struct text          complaint;

    purges = purges_new();
    assert_int_equal(disk_open(&settings, purges, &disk, &complaint), 0);
    wait_loaded(disk);
}

/* ---- files ---- */

struct file {
    const char   *name;
    unsigned char bytes[FILE_MOST];
    size_t        len;
};

static struct file segment = { .name = "segment-0000000001" }, snapshot = { .name = "index" };

static int file_open(const struct file *file, int flags)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, file->name);
    return open(path, flags, 0600);
}

static void file_take(struct file *file)
{
    int     fd = file_open(file, O_RDONLY);
    ssize_t n = read(fd, file->bytes, sizeof(file->bytes));

    assert_true(fd >= 0 && n > 0 && n < FILE_MOST);
    file->len = (size_t)n;
    (void)close(fd);
}

static size_t file_len(const struct file *file)
{
    struct stat stat;
    int         fd = file_open(file, O_RDONLY);

    assert_int_equal(fstat(fd, &stat), 0);
    (void)close(fd);
    return (size_t)stat.st_size;
}

/* So much of it; as zeros up to its whole length if `is_zeroed`. */
static void file_put(const struct file *file, size_t len, bool is_zeroed)
{
    int fd = file_open(file, O_WRONLY | O_CREAT | O_TRUNC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, file->bytes, len), (ssize_t)len);
    assert_int_equal(ftruncate(fd, (off_t)(is_zeroed ? file->len : len)), 0);
    (void)close(fd);
}

/* Nothing but what tells that it is a cache. */
static void empty(void)
{
    char path[128];

    for (unsigned i = 1; i < 5; i++) {
        (void)snprintf(path, sizeof(path), "%s/segment-%010u", folder, i);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof(path), "%s/index", folder);
    (void)unlink(path);
}

/* ---- what lies there: 1, 2, a purge of 1, 3 ---- */

enum { ONE = 0, TWO, PURGE, THREE, RECORDS };

static size_t ends[RECORDS];

static void purge_one(void)
{
    char               key[KEY_BYTES];
    struct disk_purge *asked = mem_new(sizeof(*asked));

    *asked = (struct disk_purge){ .disk = disk,
                                  .purge = { .kind = PURGE_LABEL, .serial = 10,
                                             .label = cache_label_hash(disk_seed(disk), LABEL_KEY,
                                                                       key_text(1, key)) } };
    assert_true(purges_add(purges, &asked->purge));
    disk_purge_start(asked);
    WAIT_UNTIL(disk_queue_unwritten(&disk->queue) == 0);
}

static int set_up(void **state)
{
    (void)state;
    jobs_start(2);
    folder_new(folder);
    open_disk();
    store_number(disk, 1, 1, LEN);
    ends[ONE] = file_len(&segment);
    store_number(disk, 2, 2, LEN);
    ends[TWO] = file_len(&segment);
    purge_one();
    ends[PURGE] = file_len(&segment);
    store_number(disk, 3, 11, LEN);
    ends[THREE] = file_len(&segment);
    close_disk();
    file_take(&segment);
    file_take(&snapshot);
    assert_int_equal(segment.len, ends[THREE]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    jobs_stop();
    folder_remove(folder);
    pools_drain();
    return 0;
}

/* The log is whole up to `len`. */
static void verify(size_t len)
{
    bool has_one = len >= ends[ONE] && len < ends[PURGE];

    assert_true(has_one ? is_there(disk, 1, 1, LEN) : is_absent(disk, 1));
    assert_true(len >= ends[TWO] ? is_there(disk, 2, 2, LEN) : is_absent(disk, 2));
    assert_true(len >= ends[THREE] ? is_there(disk, 3, 11, LEN) : is_absent(disk, 3));
}

/* Zeros in place of zeros are not missed. */
static size_t whole_up_to(size_t len, bool is_zeroed)
{
    while (is_zeroed && len < segment.len && segment.bytes[len] == 0)
        len++;
    return len;
}

/* Once more after what was found is written down, and something behind it. */
static void verify_twice(size_t len)
{
    open_disk();
    verify(len);
    store_number(disk, 4, 20, LEN);
    close_disk();
    open_disk();
    verify(len);
    assert_true(is_there(disk, 4, 20, LEN));
    close_disk();
}

static void the_log_may_end_at_any_byte(void **state)
{
    (void)state;
    for (unsigned is_zeroed = 0; is_zeroed < 2; is_zeroed++)
        for (size_t len = 0; len <= segment.len; len++) {
            empty();
            file_put(&segment, len, is_zeroed != 0);
            verify_twice(whole_up_to(len, is_zeroed != 0));
        }
}

/* With the snapshot of when all was there: what it leads to must not be believed. */
static void the_log_may_end_before_its_snapshot(void **state)
{
    (void)state;
    for (unsigned is_zeroed = 0; is_zeroed < 2; is_zeroed++)
        for (size_t len = 0; len <= segment.len; len += 3) {
            size_t whole = whole_up_to(len, is_zeroed != 0);
            empty();
            file_put(&segment, len, is_zeroed != 0);
            file_put(&snapshot, snapshot.len, false);
            open_disk();
            assert_true(is_absent(disk, 1));         /* the snapshot has the purge */
            assert_true(whole >= ends[TWO] ? is_there(disk, 2, 2, LEN) : is_absent(disk, 2));
            assert_true(whole >= ends[THREE] ? is_there(disk, 3, 11, LEN) : is_absent(disk, 3));
            close_disk();
        }
}

static void the_snapshot_may_end_at_any_byte(void **state)
{
    (void)state;
    for (unsigned is_zeroed = 0; is_zeroed < 2; is_zeroed++)
        for (size_t len = 0; len <= snapshot.len; len++) {
            empty();
            file_put(&segment, segment.len, false);
            file_put(&snapshot, len, is_zeroed != 0);
            verify_twice(segment.len);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_log_may_end_at_any_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_may_end_before_its_snapshot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_snapshot_may_end_at_any_byte, set_up, tear_down),
    };

    /* Some thousand starts, each with its syncs: in memory, where that can be. */
    if (access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
