// SPDX-License-Identifier: MIT
/* disk: what is stored is found, read and found again after another start; the oldest goes first. */
#include "disks.h"

#include "cache/disk_parts.h"

struct fixture {
    char           path[64];
    struct purges *purges;
    struct disk   *disk;
};

enum { LOOPS = 64 };

static struct fixture it;
static struct loop   *loops[LOOPS];
static unsigned       loop_count;

static void open_again(uint64_t max_size)
{
    struct disk_settings settings = { .path = text_from(it.path), .max_size = max_size };
    struct text          complaint;
    int                  r;

    disk_close(&it.disk);
    purges_free(&it.purges);
    it.purges = purges_new();
    r = disk_open(&settings, it.purges, &it.disk, &complaint);
    if (r < 0)
        fail_msg("disk_open: %d, %.*s", r, TEXT_ARGS(complaint));
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
    while (loop_count > 0)
        loop_free(&loops[--loop_count]);
    folder_remove(it.path);
    pools_drain();
    return 0;
}

static const uint64_t sizes[] = { 0, 1, 15, 16, 1000, 32000, 64 * 1024, 64 * 1024 + 1, 200000,
                                  1234567, 5 * MEGABYTE };

static void what_is_stored_is_read(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        store_number(it.disk, i, 100 + i, sizes[i]);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_true(is_there(it.disk, i, 100 + i, sizes[i]));
    assert_true(is_absent(it.disk, 999));
    assert_int_equal(disk_figures(it.disk).objects, sizeof(sizes) / sizeof(sizes[0]));
}

static void all_of_it_is_read(void **state)
{
    struct object *stored = object_numbered(disk_seed(it.disk), 7, 70, 1000), *read;

    (void)state;
    stored->facts.response_ms -= 5000;
    (void)object_ref(stored);
    store_object(it.disk, stored);
    read = read_number(it.disk, 7);
    assert_non_null(read);
    assert_memory_equal(&read->facts, &stored->facts, sizeof(read->facts));
    assert_true(cache_hash_is_equal(read->hash, stored->hash));
    assert_true(text_is_equal(object_key(read), object_key(stored)));
    assert_true(text_is_equal(object_head(read), TEXT("head of it")));
    assert_int_equal(read->label_count, 2);
    assert_memory_equal(object_labels(read), object_labels(stored), 16);
    assert_in_range(object_age_s(read, clock_mono_ms()), 5, 60);
    assert_int_equal(atomic_load(&read->place), atomic_load(&stored->place));
    object_unref(read);
    object_unref(stored);
}

static void the_later_one_is_found(void **state)
{
    (void)state;
    store_number(it.disk, 1, 10, 100);
    store_number(it.disk, 1, 11, 200);
    assert_true(is_there(it.disk, 1, 11, 200));
    assert_int_equal(disk_figures(it.disk).objects, 1);
    open_again(100 * MEGABYTE);
    assert_true(is_there(it.disk, 1, 11, 200));
    assert_int_equal(disk_figures(it.disk).objects, 1);
}

static void all_is_there_after_another_start(void **state)
{
    uint64_t seed = disk_seed(it.disk);

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
            if (i % 3 == round)
                store_number(it.disk, i, 100 + i, sizes[i]);
        open_again(100 * MEGABYTE);
    }
    assert_int_equal(disk_seed(it.disk), seed);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_true(is_there(it.disk, i, 100 + i, sizes[i]));
    assert_int_equal(disk_figures(it.disk).damaged, 0);
}

/* ---- the snapshot ---- */

static void overwrite(const char *name, long from, unsigned char byte, size_t count)
{
    char  path[128];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", it.path, name);
    file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, from, from < 0 ? SEEK_END : SEEK_SET), 0);
    for (size_t i = 0; i < count; i++)
        (void)fputc(byte, file);
    assert_int_equal(fclose(file), 0);
}

static void close_disk(void)
{
    disk_close(&it.disk);
}

static void a_start_reads_the_snapshot_only(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++)
        store_number(it.disk, i, i, 1000);
    close_disk();
    overwrite("segment-0000000001", 0, 0, 60000);
    open_again(100 * MEGABYTE);
    assert_int_equal(disk_figures(it.disk).objects, 50);
    assert_int_equal(disk_figures(it.disk).damaged, 0);
    for (unsigned i = 0; i < 50; i++)
        assert_true(is_absent(it.disk, i));
    assert_int_equal(disk_figures(it.disk).objects, 0);
    assert_int_equal(disk_figures(it.disk).damaged, 50);
}

static void a_damaged_snapshot_is_made_up_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++)
        store_number(it.disk, i, i, 1000);
    for (unsigned where = 0; where < 3; where++) {
        close_disk();
        overwrite("index", where == 0 ? 30 : where == 1 ? 500 : -10, 0xa5, 3);
        open_again(100 * MEGABYTE);
        assert_int_equal(disk_figures(it.disk).damaged, 1);
        assert_int_equal(disk_figures(it.disk).objects, 50);
        for (unsigned i = 0; i < 50; i++)
            assert_true(is_there(it.disk, i, i, 1000));
    }
}

static void serials_rise_with_each_start(void **state)
{
    uint64_t first = disk_serial(it.disk), second;

    (void)state;
    open_again(100 * MEGABYTE);
    second = disk_serial(it.disk);
    assert_true(first > 0);
    assert_true(second - first >= UINT64_C(1) << 32);
}

/* ---- many who ask for one ---- */

enum { ASKERS = 200 };

struct crowd {
    struct letter     letter;
    struct disk_read *reads[ASKERS];     /* NULL: has gone before it was served */
    struct disk_read *late;              /* when the others had been */
    struct task       task;
    unsigned          leaver;            /* and each third from there on */
    uint64_t          place;
    struct cache_key  key;
    atomic_bool       are_asked;
};

/* In the way of all that is read: both threads of the jobs stand here. */
struct pole {
    struct job    job;
    struct crowd *crowd;
};

static void pole_stand(struct job *job)
{
    WAIT_UNTIL(atomic_load(&container_of(job, struct pole, job)->crowd->are_asked));
}

static void pole_opened(struct loop *loop, struct letter *letter)
{
    (void)loop;
    (void)letter;
}

static struct disk_read *read_of(struct crowd *crowd)
{
    struct disk_read *read = mem_new(sizeof(*read));

    *read = (struct disk_read){ .disk = it.disk, .place = crowd->place, .key = crowd->key,
                                .waiter = &crowd->task };
    return read;
}

/* When all have been served somebody comes whose object has come already, if its leader is still there. */
static void crowd_woken(struct task *task, unsigned wakes)
{
    struct crowd *crowd = container_of(task, struct crowd, task);

    assert_int_equal(wakes, WAKE_LETTER);
    for (unsigned i = 0; i < ASKERS; i++)
        if (crowd->reads[i] != NULL && !crowd->reads[i]->is_done)
            return;
    if (crowd->late == NULL) {
        crowd->late = read_of(crowd);
        assert_true(disk_read_start(crowd->late) == (crowd->leaver == 0));
    }
    if (crowd->late->is_done)
        loop_stop(loop_self());
}

static void crowd_ask(struct loop *loop, struct letter *letter)
{
    struct crowd *crowd = container_of(letter, struct crowd, letter);

    (void)loop;
    for (unsigned i = 0; i < ASKERS; i++) {
        crowd->reads[i] = read_of(crowd);
        assert_true(disk_read_start(crowd->reads[i]));
        if (i % 3 == crowd->leaver)
            disk_read_leave(&crowd->reads[i]);
    }
    atomic_store(&crowd->are_asked, true);
}

/* Also when the first, who has it read for all, has gone. */
static void one_read_serves_all_who_ask_meanwhile(void **state)
{
    char buffer[KEY_BYTES];

    (void)state;
    store_number(it.disk, 1, 1, MEGABYTE);
    for (unsigned leaver = 0; leaver < 2; leaver++) {
        struct loop     *loop = loop_new(9);
        struct crowd     crowd = { .letter = { .open = crowd_ask }, .leaver = leaver };
        struct pole      poles[2];
        struct disk_read *kept = NULL;
        uint64_t         before = disk_figures(it.disk).reads;
        crowd.key = cache_key_of(disk_seed(it.disk), key_text(1, buffer));
        crowd.place = disk_find(it.disk, &crowd.key, NULL);
        task_init(&crowd.task, crowd_woken);
        for (unsigned i = 0; i < 2; i++) {
            poles[i] = (struct pole){ .job = { .loop = loop, .run = pole_stand }, .crowd = &crowd };
            poles[i].job.letter.open = pole_opened;
            jobs_post(&poles[i].job);
        }
        mailbox_post(loop, &crowd.letter);
        loop_run(loop);
        assert_int_equal(disk_figures(it.disk).reads - before, leaver == 0 ? 2 : 1);
        for (unsigned i = 0; i < ASKERS; i++) {
            if (i % 3 == leaver)
                continue;
            if (kept == NULL)
                kept = crowd.reads[i];
            assert_ptr_equal(crowd.reads[i]->ret_object, kept->ret_object);
        }
        assert_true(has_content(kept->ret_object, 1));
        assert_true(has_content(crowd.late->ret_object, 1));
        for (unsigned i = 0; i < ASKERS; i++)
            disk_read_leave(&crowd.reads[i]);
        disk_read_leave(&crowd.late);
        loop_end(&loop);
    }
    assert_true(is_there(it.disk, 1, 1, MEGABYTE));
}

/* ---- variants ---- */

struct language_ask {
    struct variant_ask ask;
    const char        *language;         /* NULL: does not match */
    unsigned           asked;
};

static struct text language_of(struct variant_ask *ask, struct text vary)
{
    struct language_ask *this = container_of(ask, struct language_ask, ask);

    this->asked++;
    return text_is_equal(vary, TEXT("accept-language")) ? text_from(this->language) : TEXT_NONE;
}

static struct object *object_in(const char *language, uint64_t serial)
{
    struct object_parts parts = {
        .key = cache_key_of(disk_seed(it.disk), TEXT("http://example.org/")),
        .facts = { .serial = serial, .date_s = (int64_t)serial, .status = 200 },
        .vary = TEXT("accept-language"),
        .variant = text_from(language),
    };

    return object_with(&parts, 0, 100);
}

static uint64_t serial_in(const char *language)
{
    struct language_ask ask = { .ask = { .variant = language_of }, .language = language };
    struct cache_key    key = cache_key_of(disk_seed(it.disk), TEXT("http://example.org/"));
    uint64_t            place = disk_find(it.disk, &key, &ask.ask), serial;
    struct object      *object = place == 0 ? NULL : read_place(it.disk, place, key);

    assert_int_equal(ask.asked, 1);
    if (object == NULL)
        return 0;
    assert_true(text_is_equal(object_variant(object), text_from(language)));
    serial = object->facts.serial;
    object_unref(object);
    return serial;
}

static void the_variant_is_found_without_reading(void **state)
{
    (void)state;
    store_object(it.disk, object_in("de", 1));
    store_object(it.disk, object_in("fr", 2));
    store_object(it.disk, object_in("en", 3));
    store_object(it.disk, object_in("fr", 4));
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(serial_in("de"), 1);
        assert_int_equal(serial_in("fr"), 4);
        assert_int_equal(serial_in("en"), 3);
        assert_int_equal(serial_in("it"), 0);
        assert_int_equal(serial_in(NULL), 0);
        open_again(100 * MEGABYTE);
    }
}

/* ---- eviction ---- */

static uint64_t folder_total;

static int folder_add(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)path;
    (void)walk;
    if (type == FTW_F)
        folder_total += (uint64_t)stat->st_size;
    return 0;
}

static uint64_t folder_bytes(void)
{
    folder_total = 0;
    (void)nftw(it.path, folder_add, 16, FTW_PHYS);
    return folder_total;
}

static void the_oldest_go_and_the_size_is_kept(void **state)
{
    const uint64_t limit = 8 * MEGABYTE;

    (void)state;
    open_again(limit);
    for (unsigned i = 0; i < 1000; i++) {
        store_number(it.disk, i, i, 40000);
        if (i % 10 == 0)
            assert_true(folder_bytes() <= limit);
    }
    assert_true(folder_bytes() > limit * 85 / 100);
    assert_true(is_there(it.disk, 999, 999, 40000));
    assert_true(is_there(it.disk, 850, 850, 40000));
    assert_true(is_absent(it.disk, 0));
    assert_true(is_absent(it.disk, 500));
    assert_true(disk_figures(it.disk).evicted > 700);
    open_again(limit);
    assert_true(is_there(it.disk, 999, 999, 40000));
    assert_true(is_absent(it.disk, 0));
}

/* Objects 0, 20, 40 ... are read again and again, the others never. */
static void what_is_used_is_kept(void **state)
{
    const uint64_t limit = 8 * MEGABYTE;

    (void)state;
    open_again(limit);
    for (unsigned i = 0; i < 1000; i++) {
        store_number(it.disk, i, i, 40000);
        for (unsigned used = 0; used < 100 && i % 50 == 49 && used <= i; used += 20)
            assert_true(is_there(it.disk, used, used, 40000));
        assert_true(folder_bytes() <= limit);
    }
    assert_true(is_absent(it.disk, 1));
    assert_true(is_absent(it.disk, 90));
    assert_true(is_there(it.disk, 999, 999, 40000));
}

/* All of them are used: eviction gains nevertheless. */
static void eviction_gains_when_all_is_used(void **state)
{
    const uint64_t limit = 4 * MEGABYTE;

    (void)state;
    open_again(limit);
    for (unsigned i = 0; i < 500; i++) {
        store_number(it.disk, i, i, 40000);
        assert_true(is_there(it.disk, i, i, 40000));
        assert_true(folder_bytes() <= limit);
    }
    assert_true(disk_figures(it.disk).evicted > 300);
}

/* The new version waits to be written while the segment of the old one is evicted. */
static void an_old_version_never_comes_back(void **state)
{
    enum { GROUP = 20, GROUPS = 9 };
    uint64_t latest[GROUP * GROUPS] = { 0 };

    (void)state;
    open_again(4 * MEGABYTE);
    for (uint64_t serial = 1; serial < 150; serial++) {
        struct object *last = NULL;

        for (unsigned i = 0; i < GROUP; i++) {
            uint64_t number = serial % GROUPS * GROUP + i;

            last = object_numbered(disk_seed(it.disk), number, serial, 20000);
            latest[number] = serial;
            assert_true(disk_store(it.disk, last));
            if (i < GROUP - 1)
                object_unref(last);
        }
        WAIT_UNTIL(atomic_load(&last->place) != 0);
        object_unref(last);
        for (unsigned i = 0; i < GROUP * GROUPS; i++) {
            struct object *object = read_number(it.disk, i);

            assert_true(object == NULL || object->facts.serial == latest[i]);
            if (object != NULL)
                object_unref(object);
        }
    }
}

static void what_the_memory_tier_used_is_kept(void **state)
{
    struct object *used = object_numbered(disk_seed(it.disk), 5000, 1, 1000);

    (void)state;
    open_again(4 * MEGABYTE);
    (void)object_ref(used);
    store_object(it.disk, used);
    for (unsigned i = 0; i < 500; i++) {
        store_number(it.disk, i, i, 40000);
        disk_note_use(it.disk, used);
    }
    object_unref(used);
    assert_true(is_there(it.disk, 5000, 1, 1000));
}

static void what_nobody_asks_for_goes(void **state)
{
    struct disk_settings settings = { .max_size = 8 * MEGABYTE, .inactive_ms = 1 };

    (void)state;
    store_number(it.disk, 1, 1, 1000);
    assert_true(is_there(it.disk, 1, 1, 1000));
    disk_set(it.disk, &settings);
    WAIT_UNTIL(disk_figures(it.disk).evicted > 0);
    settings.inactive_ms = 0;
    disk_set(it.disk, &settings);
    WAIT_UNTIL(disk_figures(it.disk).evicted == 1 || disk_figures(it.disk).objects == 0);
}

/* ---- purging ---- */

struct waiting_purge {
    struct letter     letter;
    struct task       task;
    struct disk_purge purge;
};

static void purge_begin(struct loop *loop, struct letter *letter)
{
    (void)loop;
    disk_purge_start(&container_of(letter, struct waiting_purge, letter)->purge);
}

/* The writing thread may still be in mailbox_post() when the letter was opened: freed at the end. */
static struct loop *purge_loop_new(void)
{
    must(loop_count < LOOPS);
    loops[loop_count] = loop_new(7);
    return loops[loop_count++];
}

/* On a loop of its own; true: it will survive. */
static bool purge(struct purge what)
{
    struct loop         *loop = purge_loop_new();
    struct waiting_purge waiting = { .letter = { .open = purge_begin },
                                     .purge = { .disk = it.disk, .purge = what } };

    assert_true(purges_add(it.purges, &what));
    waiting.purge.waiter = &waiting.task;
    task_init(&waiting.task, waiting_read_done);
    mailbox_post(loop, &waiting.letter);
    loop_run(loop);
    assert_true(waiting.purge.is_done);
    return !waiting.purge.has_failed;
}

static struct purge purge_of_key(uint64_t number, uint64_t serial)
{
    char buffer[KEY_BYTES];

    return (struct purge){ .kind = PURGE_LABEL,
                           .serial = serial,
                           .label = cache_label_hash(disk_seed(it.disk), LABEL_KEY,
                                                     key_text(number, buffer)) };
}

/* As after a crash: nothing that the closing wrote. */
static void lose_the_snapshot(void)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/index", it.path);
    disk_close(&it.disk);
    (void)unlink(path);
}

static void purges_survive(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 2; lost++) {
        uint64_t from = 100 * (lost + 1);

        for (unsigned i = 0; i < 5; i++)
            store_number(it.disk, i, from + i, 1000);
        assert_true(purge(purge_of_key(3, from + 10)));
        assert_true(purge((struct purge){
            .kind = PURGE_PREFIX, .serial = from + 10, .prefix = TEXT("http://example.org/object/4") }));
        store_number(it.disk, 7, from + 20, 1000);
        assert_true(is_absent(it.disk, 3));
        for (unsigned round = 0; round < 2; round++) {
            if (lost == 1)
                lose_the_snapshot();
            open_again(100 * MEGABYTE);
            assert_true(is_absent(it.disk, 3));
            assert_true(is_absent(it.disk, 4));
            assert_true(is_there(it.disk, 2, from + 2, 1000));
            assert_true(is_there(it.disk, 7, from + 20, 1000));
        }
        store_number(it.disk, 3, from + 30, 100);
        assert_true(is_there(it.disk, 3, from + 30, 100));
        assert_true(purge((struct purge){ .kind = PURGE_ALL, .serial = from + 40 }));
        open_again(100 * MEGABYTE);
        assert_true(is_absent(it.disk, 3));
        assert_true(is_absent(it.disk, 7));
        store_number(it.disk, 9, from + 50, 100);
        assert_true(is_there(it.disk, 9, from + 50, 100));
    }
}

/* Stored before the purge, written after it: so it is not even written. */
static void what_was_purged_on_its_way_is_not_written(void **state)
{
    struct object *object = object_numbered(disk_seed(it.disk), 1, 5, 100);

    (void)state;
    assert_true(purge(purge_of_key(1, 6)));
    assert_true(disk_store(it.disk, object));
    store_number(it.disk, 2, 7, 100);
    assert_int_equal(atomic_load(&object->place), 0);
    assert_int_equal(disk_figures(it.disk).objects, 1);
    object_unref(object);
}

static void what_is_purged_softly_is_stale(void **state)
{
    struct purge   soft = purge_of_key(1, 6);
    struct object *object = object_numbered(disk_seed(it.disk), 1, 5, 100);

    (void)state;
    soft.is_soft = true;
    assert_true(purge(soft));
    store_object(it.disk, object);       /* it comes late */
    lose_the_snapshot();
    open_again(100 * MEGABYTE);
    object = read_number(it.disk, 1);
    assert_non_null(object);
    assert_int_equal(object->facts.lifetime_s, 0);
    object_unref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_stored_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_of_it_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_later_one_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_is_there_after_another_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_reads_the_snapshot_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_snapshot_is_made_up_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(serials_rise_with_each_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_read_serves_all_who_ask_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_variant_is_found_without_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_go_and_the_size_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_used_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(eviction_gains_when_all_is_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_memory_tier_used_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_version_never_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_nobody_asks_for_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(purges_survive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_purged_on_its_way_is_not_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_purged_softly_is_stale, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
