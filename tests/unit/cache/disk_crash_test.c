// SPDX-License-Identifier: MIT
/* kill -9 at any moment: a child stores, replaces, purges, evicts and makes snapshots until its parent
 * kills it; whatever the directory holds then is byte-identical to what was stored last or at some time
 * before, and nothing of what was purged. FULL=1: 200 times instead of 25. */
#include "disks.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "cache/disk_parts.h"

enum { NUMBERS = 400, LARGE_EACH = 20, LIMIT = 12 * MEGABYTE, KILLS = 25, KILLS_FULL = 200 };

/* In a file that both map: it survives the child. */
struct journal {
    atomic_uint           is_running;
    atomic_uint           stored, purged;
    atomic_uint_least64_t purged_below[NUMBERS];     /* confirmed: no smaller serial may be seen again */
};

static struct journal *journal;

static uint64_t length_of(uint64_t number, uint64_t serial)
{
    uint64_t x = mix(number + 1000, serial);

    if (number % LARGE_EACH == 0)
        return x % (900 * 1024);
    return number % 7 == 0 ? x % 150000 : x % 8000;
}

static void journal_map(const char *path, bool is_new)
{
    int fd = open(path, O_RDWR | (is_new ? O_CREAT : 0), 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(*journal)), 0);
    journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(journal != MAP_FAILED);
    (void)close(fd);
}

/* ---- the child ---- */

struct child {
    struct disk      *disk;
    struct purges    *purges;
    uint64_t          serial, random;
    struct letter     letter;
    struct task       task;              /* of the purge: its letter comes in some turn */
    struct disk_purge purge;
    bool              is_purging;
    uint64_t          purged_number;
    char              key[KEY_BYTES];
};

static struct child child;

static uint64_t pick(uint64_t below)
{
    child.random = mix(child.random, 77);
    return child.random % below;
}

static void store_one(void)
{
    uint64_t       number = pick(NUMBERS), serial = ++child.serial;
    uint64_t       len = length_of(number, serial);
    struct object *object = number % LARGE_EACH == 0
                                ? large_numbered(child.disk, number, serial, len)
                                : object_numbered(disk_seed(child.disk), number, serial, len);

    if (object == NULL)
        return;
    if (disk_store(child.disk, object))
        atomic_fetch_add(&journal->stored, 1);
    object_unref(object);
}

/* As the cache does: into the book, then into the log, and only then it is said to be done. */
static void purge_one(void)
{
    struct purge purge = { .kind = PURGE_LABEL, .serial = ++child.serial };

    child.purged_number = pick(NUMBERS);
    if (pick(10) == 0) {
        purge.kind = PURGE_ALL;
        child.purged_number = NUMBERS;
    } else {
        purge.label = cache_label_hash(disk_seed(child.disk), LABEL_KEY,
                                       key_text(child.purged_number, child.key));
    }
    if (!purges_add(child.purges, &purge))
        abort();
    child.purge = (struct disk_purge){ .disk = child.disk, .purge = purge, .waiter = &child.task };
    child.is_purging = true;
    disk_purge_start(&child.purge);
}

static void purge_note(void)
{
    if (!child.is_purging || !child.purge.is_done)
        return;
    child.is_purging = false;
    if (child.purge.has_failed)
        abort();
    for (uint64_t i = 0; i < NUMBERS; i++)
        if (child.purged_number == NUMBERS || child.purged_number == i)
            atomic_store(&journal->purged_below[i], child.purge.purge.serial);
    atomic_fetch_add(&journal->purged, 1);
}

/* A step in each turn of the loop. */
static void child_step(struct loop *loop, struct letter *letter)
{
    atomic_store(&journal->is_running, 1);
    purge_note();
    if (pick(40) == 0 && !child.is_purging)
        purge_one();
    else
        store_one();
    (void)usleep(50);
    mailbox_post(loop, letter);
}

static void child_woken(struct task *task, unsigned wakes)
{
    (void)task;
    (void)wakes;
}

static struct disk *disk_opened(const char *path, struct purges *purges)
{
    struct disk_settings settings = { .path = text_from(path), .max_size = LIMIT, .snapshot_ms = 15 };
    struct text          complaint;
    struct disk         *disk;
    int                  r = disk_open(&settings, purges, &disk, &complaint);

    if (r < 0) {
        (void)fprintf(stderr, "disk_open: %d %.*s\n", r, TEXT_ARGS(complaint));
        abort();
    }
    wait_loaded(disk);
    return disk;
}

static int child_main(const char *path, const char *journal_path, const char *seed)
{
    struct loop *loop = loop_new(1);

    jobs_start(2);
    journal_map(journal_path, false);
    child.random = strtoull(seed, NULL, 10);
    child.purges = purges_new();
    child.disk = disk_opened(path, child.purges);
    child.serial = disk_serial(child.disk);
    task_init(&child.task, child_woken);
    child.letter.open = child_step;
    mailbox_post(loop, &child.letter);
    loop_run(loop);
    return 0;
}

/* ---- the parent ---- */

struct outcome {
    unsigned present, large;
};

static void run_and_kill(const char *path, const char *journal_path, unsigned round)
{
    char  seed[24];
    int   status;
    pid_t pid;

    (void)snprintf(seed, sizeof(seed), "%u", round * 7919 + 13);
    atomic_store(&journal->is_running, 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl("/proc/self/exe", "disk_crash_test", path, journal_path, seed, (char *)NULL);
        _exit(127);
    }
    WAIT_UNTIL(atomic_load(&journal->is_running) == 1 || waitpid(pid, &status, WNOHANG) == pid);
    (void)usleep((useconds_t)(mix(round, 5) % 150000));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void verify_object(struct object *object, uint64_t number, struct outcome *outcome)
{
    uint64_t serial = object->facts.serial;

    if (object->body_len != length_of(number, serial))
        fail_msg("object %llu of %llu has %llu bytes", (unsigned long long)number,
                 (unsigned long long)serial, (unsigned long long)object->body_len);
    if (!has_content(object, number))
        fail_msg("object %llu of %llu has other bytes", (unsigned long long)number,
                 (unsigned long long)serial);
    if (serial < atomic_load(&journal->purged_below[number]))
        fail_msg("object %llu of %llu was purged by %llu", (unsigned long long)number,
                 (unsigned long long)serial,
                 (unsigned long long)atomic_load(&journal->purged_below[number]));
    outcome->present++;
    outcome->large += object->large != NULL;
}

static void verify(const char *path, struct outcome *outcome)
{
    struct purges      *purges = purges_new();
    struct disk        *disk = disk_opened(path, purges);
    struct disk_figures figures = disk_figures(disk);

    assert_true(figures.bytes <= LIMIT);
    for (uint64_t number = 0; number < NUMBERS; number++) {
        struct object *object = read_number(disk, number);

        if (object == NULL)
            continue;
        verify_object(object, number, outcome);
        object_unref(object);
    }
    figures = disk_figures(disk);
    assert_int_equal(figures.errors, 0);
    disk_close(&disk);
    purges_free(&purges);
}

/* Every fourth time all must be replayed. */
static void maybe_lose_snapshot(const char *path, unsigned round)
{
    char index[128];

    (void)snprintf(index, sizeof(index), "%s/index", path);
    if (round % 4 == 3)
        (void)unlink(index);
}

static void killed_at_any_moment(void **state)
{
    const char    *full = getenv("FULL");
    unsigned       kills = full != NULL && full[0] == '1' ? KILLS_FULL : KILLS;
    struct outcome outcome = { 0 };
    char           path[64], journal_path[80];

    (void)state;
    jobs_start(2);
    folder_new(path);
    (void)snprintf(journal_path, sizeof(journal_path), "%s.journal", path);
    journal_map(journal_path, true);
    for (unsigned round = 0; round < kills; round++) {
        run_and_kill(path, journal_path, round);
        maybe_lose_snapshot(path, round);
        verify(path, &outcome);
    }
    (void)printf("%u kills, %u stored, %u purged; %u read again, %u of them large\n", kills,
                 atomic_load(&journal->stored), atomic_load(&journal->purged), outcome.present,
                 outcome.large);
    assert_true(outcome.present > kills * 20);
    assert_true(outcome.large > kills / 5);
    assert_true(atomic_load(&journal->purged) > kills);
    jobs_stop();
    (void)unlink(journal_path);
    folder_remove(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(killed_at_any_moment) };

    if (argc == 4)
        return child_main(argv[1], argv[2], argv[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
