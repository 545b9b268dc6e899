// SPDX-License-Identifier: MIT
#include "cache/disk_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/disk_parts.h"

enum {
    MODE = 0600,
    BUFFER_BYTES = 1024 * 1024,
    PERIOD_MS = 30 * 1000,               /* for each million objects begun */
    OBJECTS_PER_PERIOD = 1000 * 1000,
    PAUSE_LEAST_MS = 2000,
    REPLAY_BYTES = 64 * 1024 * 1024      /* that may be left to replay */
};

/* ---- writing ---- */

struct file_writer {
    struct disk   *disk;
    int            fd, error;
    uint64_t       number, rows, bytes;
    unsigned char *buffer;
    size_t         buffered;
};

static void write_out(struct file_writer *file)
{
    for (size_t done = 0; done < file->buffered && file->error == 0;) {
        ssize_t n = write(file->fd, file->buffer + done, file->buffered - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            file->error = n == 0 ? -ENOSPC : -errno;
    }
    file->bytes += file->buffered;
    file->buffered = 0;
}

static void put(struct file_writer *file, const void *bytes, size_t len)
{
    for (size_t at = 0, n; at < len && file->error == 0; at += n) {
        if (file->buffered == BUFFER_BYTES)
            write_out(file);
        n = BUFFER_BYTES - file->buffered < len - at ? BUFFER_BYTES - file->buffered : len - at;
        memcpy(file->buffer + file->buffered, (const char *)bytes + at, n);
        file->buffered += n;
    }
}

static void put_section(struct file_writer *file, enum snapshot_kind kind, const void *payload,
                        size_t len)
{
    unsigned char        bytes[SNAPSHOT_HEAD_BYTES];
    struct snapshot_head head = { .kind = kind, .len = (uint32_t)len };

    head.checksum = snapshot_checksum(file->disk->seed, kind, file->number++,
                                      text_of((const char *)payload, len));
    snapshot_head_encode(&head, bytes);
    put(file, bytes, sizeof(bytes));
    put(file, payload, len);
}

static void put_begin(struct file_writer *file)
{
    const struct disk_log   *log = &file->disk->log;
    struct snapshot_position position = {
        .version = SNAPSHOT_VERSION,
        .segment = log->active == NULL ? log->next_number : log->active->number,
        .offset = log->active == NULL ? 0 : log->sound,
    };

    put_section(file, SNAPSHOT_BEGIN, &position, sizeof(position));
}

static void put_varies(struct file_writer *file)
{
    unsigned count = disk_vary_count(file->disk->varies);

    for (uint32_t i = 1; i <= count && file->error == 0; i++) {
        struct text    vary = disk_vary_text(file->disk->varies, (uint16_t)i);
        uint16_t       number = (uint16_t)i;
        unsigned char *bytes = mem_try(sizeof(number) + vary.len);

        if (bytes == NULL) {
            file->error = -ENOMEM;
            return;
        }
        memcpy(bytes, &number, sizeof(number));
        memcpy(bytes + sizeof(number), vary.ptr, vary.len);
        put_section(file, SNAPSHOT_VARY, bytes, sizeof(number) + vary.len);
        mem_free(bytes);
    }
}

static void put_purge(const struct purge *purge, void *arg)
{
    struct file_writer *file = arg;
    size_t              len = snapshot_purge_bytes(purge);
    unsigned char      *bytes = file->error < 0 ? NULL : mem_try(len);

    if (bytes == NULL) {
        file->error = file->error < 0 ? file->error : -ENOMEM;
        return;
    }
    snapshot_purge_encode(purge, bytes);
    put_section(file, SNAPSHOT_PURGE, bytes, len);
    mem_free(bytes);
}

static void put_larges(struct file_writer *file)
{
    const size_t           most = SNAPSHOT_SECTION_MOST / sizeof(struct snapshot_large);
    size_t                 count;
    struct snapshot_large *named = large_files_named(&file->disk->larges, &count);

    if (named == NULL && count > 0)
        file->error = -ENOMEM;
    for (size_t at = 0, n; at < count && file->error == 0; at += n) {
        n = count - at < most ? count - at : most;
        put_section(file, SNAPSHOT_LARGE, named + at, n * sizeof(*named));
    }
    mem_free(named);
}

static void encode_rows(struct index_row *rows, uint32_t count, unsigned char *bytes)
{
    for (uint32_t i = 0; i < count; i++)
        snapshot_row_encode(&rows[i], bytes + (size_t)i * SNAPSHOT_ROW_BYTES);
}

static void put_shard(struct file_writer *file, unsigned shard, unsigned char *bytes)
{
    const uint32_t    most = SNAPSHOT_SECTION_MOST / SNAPSHOT_ROW_BYTES;
    uint32_t          count;
    struct index_row *rows = disk_index_rows(file->disk->index, shard, &count);

    if (rows == NULL)
        file->error = -ENOMEM;
    for (uint32_t at = 0, n; at < count && file->error == 0; at += n) {
        n = count - at < most ? count - at : most;
        encode_rows(rows + at, n, bytes);
        put_section(file, SNAPSHOT_ROWS, bytes, (size_t)n * SNAPSHOT_ROW_BYTES);
        file->rows += n;
    }
    mem_free(rows);
}

static void put_rows(struct file_writer *file)
{
    unsigned char *bytes = mem_try(SNAPSHOT_SECTION_MOST);

    if (bytes == NULL)
        file->error = -ENOMEM;
    for (unsigned shard = 0; shard < DISK_INDEX_SHARDS && file->error == 0; shard++)
        put_shard(file, shard, bytes);
    mem_free(bytes);
}

static void put_all(struct file_writer *file)
{
    put_begin(file);
    put_varies(file);
    if (file->error == 0)
        purges_each(file->disk->purges, put_purge, file);
    if (file->error == 0)
        put_larges(file);
    if (file->error == 0)
        put_rows(file);
    put_section(file, SNAPSHOT_END, &file->rows, sizeof(file->rows));
    write_out(file);
}

/* index.new, whole and synced. */
static int write_new(struct disk *disk, uint64_t *ret_bytes, uint64_t *ret_rest)
{
    struct file_writer file = { .disk = disk };

    file.buffer = mem_try(BUFFER_BYTES);
    if (file.buffer == NULL)
        return -ENOMEM;
    file.fd =
        openat(disk->directory.fd, "index.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    if (file.fd < 0) {
        file.error = -errno;
    } else {
        put_all(&file);
        if (file.error == 0 && fdatasync(file.fd) < 0)
            file.error = -errno;
        (void)close(file.fd);
    }
    mem_free(file.buffer);
    *ret_bytes = file.bytes;
    *ret_rest = file.bytes - file.rows * SNAPSHOT_ROW_BYTES;
    return file.error;
}

int disk_snapshot_write(struct disk *disk)
{
    int      dir_fd = disk->directory.fd, r;
    uint64_t bytes, rest;

    r = write_new(disk, &bytes, &rest);
    if (r == 0 && (renameat(dir_fd, "index.new", dir_fd, "index") < 0 || fsync(dir_fd) < 0))
        r = -errno;
    if (r < 0) {
        (void)unlinkat(dir_fd, "index.new", 0);
        return r;
    }
    disk->snapshot.bytes = bytes;
    disk->snapshot.rest_bytes = rest;
    return 0;
}

/* ---- when ---- */

uint64_t disk_snapshot_reserve(struct disk *disk)
{
    return 2 * (disk_index_count(disk->index) * SNAPSHOT_ROW_BYTES + disk->snapshot.rest_bytes);
}

static uint64_t changes_of(struct disk *disk)
{
    return atomic_load(&disk->written_bytes) + atomic_load(&disk->evicted) + disk->snapshot.forced;
}

static bool is_due(struct disk *disk, uint64_t changes)
{
    int64_t  passed_ms = clock_mono_ms() - disk->snapshot.done_ms;
    int64_t  periods = 1 + (int64_t)(disk_index_count(disk->index) / OBJECTS_PER_PERIOD);
    int64_t  chosen_ms = atomic_load(&disk->snapshot_ms);
    uint64_t most = REPLAY_BYTES > 4 * disk->snapshot.bytes ? REPLAY_BYTES : 4 * disk->snapshot.bytes;

    if (changes == disk->snapshot.changes || disk->snapshot.is_urgent)
        return disk->snapshot.is_urgent;
    return passed_ms >= (chosen_ms > 0 ? chosen_ms : periods * PERIOD_MS) ||
           (passed_ms >= PAUSE_LEAST_MS && changes - disk->snapshot.changes >= most);
}

static void write_now(struct disk *disk, uint64_t changes)
{
    int r = disk_snapshot_write(disk);

    disk->snapshot.done_ms = clock_mono_ms();
    if (r < 0)
        disk_fail(disk, "writing the index", r);
    else
        disk->snapshot.changes = changes;
    disk->snapshot.is_urgent &= r < 0;
}

void disk_snapshot_if_due(struct disk *disk)
{
    uint64_t changes = changes_of(disk);

    if (!atomic_load(&disk->is_failing) && is_due(disk, changes))
        write_now(disk, changes);
}

void disk_snapshot_at_end(struct disk *disk)
{
    uint64_t changes = changes_of(disk);

    if (changes != disk->snapshot.changes || disk->snapshot.is_urgent)
        write_now(disk, changes);
}

/* ---- loading ---- */

struct file_source {
    struct snapshot_source source;
    int                    fd;
    uint64_t               at;
};

static ssize_t read_next(struct snapshot_source *source, void *buffer, size_t len)
{
    struct file_source *file = container_of(source, struct file_source, source);
    ssize_t             n = file_read(file->fd, buffer, len, file->at, false);

    if (n > 0)
        file->at += (uint64_t)n;
    return n;
}

struct loading {
    struct snapshot_sink      sink;
    struct disk              *disk;
    struct snapshot_position *position;
    uint16_t                 *varies;    /* by the number in the snapshot: the number here */
    uint64_t                  rows;
};

static int load_begin(struct snapshot_sink *sink, const struct snapshot_position *position)
{
    *container_of(sink, struct loading, sink)->position = *position;
    return 0;
}

static int load_vary(struct snapshot_sink *sink, uint16_t number, struct text vary)
{
    struct loading *loading = container_of(sink, struct loading, sink);

    return disk_vary_number(loading->disk->varies, vary, &loading->varies[number]) ? 0 : -ENOSPC;
}

static int load_purge(struct snapshot_sink *sink, const struct purge *purge)
{
    return purges_add(container_of(sink, struct loading, sink)->disk->purges, purge) ? 0 : -ENOMEM;
}

static int load_large(struct snapshot_sink *sink, const struct snapshot_large *large)
{
    struct loading  *loading = container_of(sink, struct loading, sink);
    struct index_row row = { .hash = { .low = large->hash_low, .high = large->hash_high },
                             .place = large->place };

    large_files_name(&loading->disk->larges, large->id, &row);
    return 0;
}

/* What was evicted since, or cut, is not there any more. */
static int load_row(struct snapshot_sink *sink, const struct index_row *row)
{
    struct loading  *loading = container_of(sink, struct loading, sink);
    struct disk     *disk = loading->disk;
    struct index_row mine = *row;
    uint64_t         former;

    loading->rows++;
    if (record_place_offset(row->place) >=
        segments_bytes_of(&disk->segments, record_place_segment(row->place)))
        return 0;
    mine.vary = loading->varies[row->vary];
    return disk_index_put(disk->index, &mine, &former) ? 0 : -ENOMEM;
}

static int load_from(struct disk *disk, int fd, struct snapshot_position *position)
{
    struct file_source file = { .source = { .read = read_next }, .fd = fd };
    struct loading     loading = {
            .sink = { load_begin, load_vary, load_purge, load_large, load_row },
            .disk = disk,
            .position = position,
            .varies = mem_new((DISK_VARY_MOST + 1) * sizeof(uint16_t)),
    };
    int r = snapshot_read(&file.source, disk->seed, &loading.sink);

    mem_free(loading.varies);
    disk->snapshot.bytes = file.at;
    disk->snapshot.rest_bytes = file.at - loading.rows * SNAPSHOT_ROW_BYTES;
    return r;
}

int disk_snapshot_load(struct disk *disk, struct snapshot_position *ret_position)
{
    int fd = openat(disk->directory.fd, "index", O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r;

    disk->snapshot.done_ms = clock_mono_ms();
    if (fd < 0)
        return -errno;
    r = load_from(disk, fd, ret_position);
    (void)close(fd);
    return r;
}
