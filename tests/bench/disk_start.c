// SPDX-License-Identifier: MIT
/* A cache on disk with a million objects of 1 KB: how fast they are stored, what the index costs for each,
 * how long a start takes with the snapshot and without, and what finding and reading costs. Fails when a
 * start with the snapshot takes 2 s or more, or an object costs more than 32 bytes.
 *
 * Usage: bench_disk_start DIRECTORY [OBJECTS]    (empty, some 1.3 GB free; emptied again) */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/disk.h"

enum { OBJECTS = 1000 * 1000, BODY_BYTES = 1024, READS = 200 * 1000 };

static uint64_t objects = OBJECTS;

static struct text key_text(uint64_t number, char buffer[64])
{
    return text_of(buffer, (size_t)snprintf(buffer, 64, "http://example.org/some/path/%llu.html",
                                            (unsigned long long)number));
}

static struct object *object_numbered(uint64_t seed, uint64_t number)
{
    char                buffer[64];
    struct object_parts parts = {
        .key = cache_key_of(seed, key_text(number, buffer)),
        .facts = { .serial = number + 1, .response_ms = clock_wall_ms(), .status = 200 },
        .head = TEXT("content-type: text/html, and so on, as long as a head is that was packed"),
    };
    struct object *object = object_try_new(&parts, BODY_BYTES);

    if (object == NULL)
        abort();
    memset(object_inline_body(object), (int)(number & 255), BODY_BYTES);
    return object;
}

static struct disk *opened(const char *path, struct purges *purges)
{
    struct disk_settings settings = { .path = text_from(path), .max_size = UINT64_C(8) << 30 };
    struct text          complaint;
    struct disk         *disk;

    if (disk_open(&settings, purges, &disk, &complaint) < 0) {
        (void)fprintf(stderr, "%s: %.*s\n", path, TEXT_ARGS(complaint));
        exit(1);
    }
    while (disk_figures(disk).is_loading)
        (void)usleep(200);
    return disk;
}

static void store_all(struct disk *disk)
{
    for (uint64_t i = 0; i < objects; i++) {
        struct object *object = object_numbered(disk_seed(disk), i);

        while (!disk_store(disk, object))
            (void)usleep(200);
        object_unref(object);
    }
    for (unsigned tries = 0; disk_figures(disk).objects < objects && tries < 50000; tries++)
        (void)usleep(200);
}

/* What the page cache has: on the calling thread. Returns how many came. */
static uint64_t read_some(struct disk *disk, double *ret_find_us, double *ret_read_us)
{
    struct disk_read *read = mem_new(sizeof(*read));
    int64_t           begin_us, find_us = 0, read_us = 0;
    uint64_t          came = 0;
    char              buffer[64];

    for (uint64_t i = 0; i < READS; i++) {
        struct cache_key key =
            cache_key_of(disk_seed(disk), key_text(i * 7919 % objects, buffer));

        begin_us = clock_mono_us();
        *read = (struct disk_read){ .disk = disk, .place = disk_find(disk, &key, NULL), .key = key };
        find_us += clock_mono_us() - begin_us;
        if (read->place == 0)
            continue;
        begin_us = clock_mono_us();
        if (!disk_read_start(read) && read->ret_object != NULL) {
            came++;
            object_unref(read->ret_object);
        }
        read_us += clock_mono_us() - begin_us;
    }
    mem_free(read);
    *ret_find_us = (double)find_us / READS;
    *ret_read_us = (double)read_us / READS;
    return came;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat;
    (void)type;
    return walk->level == 0 ? 0 : remove(path);
}

int main(int argc, char **argv)
{
    char                index[512];
    struct purges      *purges = purges_new();
    struct disk        *disk;
    struct disk_figures figures;
    int64_t             begin_us, start_us;
    double              find_us, read_us, each;
    uint64_t            came;

    if (argc < 2)
        return 1;
    if (argc > 2)
        objects = strtoull(argv[2], NULL, 10);
    disk = opened(argv[1], purges);
    begin_us = clock_mono_us();
    store_all(disk);
    (void)printf("stored:            %.2f s\n", (double)(clock_mono_us() - begin_us) / 1e6);
    figures = disk_figures(disk);
    each = (double)figures.index_bytes / (double)figures.objects;
    (void)printf("index:             %.1f bytes for each of %llu objects\n", each,
                 (unsigned long long)figures.objects);
    begin_us = clock_mono_us();
    disk_close(&disk);
    (void)printf("closed:            %.2f s\n", (double)(clock_mono_us() - begin_us) / 1e6);

    begin_us = clock_mono_us();
    disk = opened(argv[1], purges);
    start_us = clock_mono_us() - begin_us;
    (void)printf("start:             %.2f s, %llu objects\n", (double)start_us / 1e6,
                 (unsigned long long)disk_figures(disk).objects);
    came = read_some(disk, &find_us, &read_us);
    (void)printf("finding, reading:  %.2f us, %.2f us; %llu of %u at once\n", find_us, read_us,
                 (unsigned long long)came, (unsigned)READS);
    disk_close(&disk);

    (void)snprintf(index, sizeof(index), "%s/index", argv[1]);
    (void)unlink(index);
    begin_us = clock_mono_us();
    disk = opened(argv[1], purges);
    (void)printf("without snapshot:  %.2f s, %llu objects\n",
                 (double)(clock_mono_us() - begin_us) / 1e6,
                 (unsigned long long)disk_figures(disk).objects);
    disk_close(&disk);
    purges_free(&purges);
    (void)nftw(argv[1], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return start_us >= 2000 * 1000 || each > 32;
}
