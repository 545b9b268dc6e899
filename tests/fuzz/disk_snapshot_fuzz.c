// SPDX-License-Identifier: MIT
/* Snapshots of the disk tier's index. The input is sections: kind, length, payload; their heads are made
 * right, so that payloads are reached. Checked: rows and purges that are accepted are the same when they are
 * written again; without its end no snapshot is whole; the raw input is read as well. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/snapshot_format.h"

enum { SEED = 99, SECTIONS_MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct memory_source {
    struct snapshot_source source;
    struct text            rest;
};

static ssize_t memory_read(struct snapshot_source *source, void *buffer, size_t len)
{
    struct memory_source *memory = container_of(source, struct memory_source, source);
    struct text           part = text_part(memory->rest, 0, len);

    if (part.len > 0)
        memcpy(buffer, part.ptr, part.len);
    memory->rest = text_from_offset(memory->rest, part.len);
    return (ssize_t)part.len;
}

static int on_begin(struct snapshot_sink *sink, const struct snapshot_position *position)
{
    (void)sink;
    must(position->version == SNAPSHOT_VERSION);
    return 0;
}

static int on_vary(struct snapshot_sink *sink, uint16_t number, struct text vary)
{
    (void)sink;
    must(vary.len > 0);
    return number == UINT16_MAX ? -ENOSPC : 0;
}

static int on_purge(struct snapshot_sink *sink, const struct purge *purge)
{
    size_t         len = snapshot_purge_bytes(purge);
    unsigned char *again = mem_try(len);
    struct purge   other;

    (void)sink;
    must(again != NULL);
    snapshot_purge_encode(purge, again);
    must(snapshot_purge_decode(text_of((char *)again, len), &other) == 0);
    must(other.kind == purge->kind && other.serial == purge->serial &&
         text_is_equal(other.prefix, purge->prefix));
    mem_free(again);
    return 0;
}

static int on_large(struct snapshot_sink *sink, const struct snapshot_large *large)
{
    (void)sink;
    return large->id == UINT64_MAX ? -EINVAL : 0;
}

static int on_row(struct snapshot_sink *sink, const struct index_row *row)
{
    unsigned char    bytes[SNAPSHOT_ROW_BYTES];
    struct index_row again;

    (void)sink;
    snapshot_row_encode(row, bytes);
    snapshot_row_decode(bytes, &again);
    must(memcmp(&again.hash, &row->hash, sizeof(again.hash)) == 0 && again.place == row->place &&
         again.vary == row->vary && again.is_used == row->is_used);
    return 0;
}

static int read_all(struct text text)
{
    struct memory_source memory = { .source = { .read = memory_read }, .rest = text };
    struct snapshot_sink sink = { on_begin, on_vary, on_purge, on_large, on_row };

    return snapshot_read(&memory.source, SEED, &sink);
}

/* The next section of the input, with a head that is right. Its payload's length: two bytes. */
static size_t put_section(unsigned char *to, struct text *input, uint64_t number)
{
    struct text          payload;
    struct snapshot_head head;
    size_t               len;

    head.kind = (enum snapshot_kind)(input->ptr[0] % SNAPSHOT_END + 1);
    len = (unsigned char)input->ptr[1] + ((size_t)(unsigned char)input->ptr[2] << 8);
    payload = text_part(text_from_offset(*input, 3), 0, len);
    head.len = (uint32_t)payload.len;
    head.checksum = snapshot_checksum(SEED, head.kind, number, payload);
    snapshot_head_encode(&head, to);
    if (payload.len > 0)
        memcpy(to + SNAPSHOT_HEAD_BYTES, payload.ptr, payload.len);
    *input = text_from_offset(*input, 3 + payload.len);
    return SNAPSHOT_HEAD_BYTES + payload.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct text    input = text_of((const char *)bytes, len);
    unsigned char *sealed = mem_try(len + SECTIONS_MOST * SNAPSHOT_HEAD_BYTES + 1);
    size_t         used = 0;

    must(sealed != NULL);
    (void)read_all(input);
    for (uint64_t number = 0; number < SECTIONS_MOST && input.len >= 3; number++)
        used += put_section(sealed + used, &input, number);
    if (read_all(text_of((char *)sealed, used)) == 0)
        for (size_t cut = 1; cut < 4 && cut < used; cut++)
            (void)read_all(text_of((char *)sealed, used - cut));
    mem_free(sealed);
    return 0;
}
