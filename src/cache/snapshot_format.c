// SPDX-License-Identifier: MIT
#include "cache/snapshot_format.h"

#include <errno.h>
#include <string.h>

#include <xxhash.h>

#include "base/mem.h"
#include "cache/disk_format.h"

enum { PURGE_BYTES = 24 };

struct head_bytes {
    uint32_t magic, kind;
    uint64_t len, checksum;
};

struct row_bytes {
    uint32_t fingerprint, variant, date_s, where, segment;
    uint16_t vary;
    uint8_t  shard, is_used;
};

struct purge_bytes {
    uint64_t serial, label;
    uint32_t kind, is_soft;
};

_Static_assert(sizeof(struct head_bytes) == SNAPSHOT_HEAD_BYTES, "no padding");
_Static_assert(sizeof(struct row_bytes) == SNAPSHOT_ROW_BYTES, "no padding");
_Static_assert(sizeof(struct purge_bytes) == PURGE_BYTES, "no padding");
_Static_assert(sizeof(struct snapshot_large) == 40, "no padding");

#define MAGIC UINT32_C(0x49444631)       /* "1FDI" */

/* ---- sections ---- */

void snapshot_head_encode(const struct snapshot_head *head,
                          unsigned char               ret_bytes[SNAPSHOT_HEAD_BYTES])
{
    struct head_bytes bytes = {
        .magic = MAGIC, .kind = (uint32_t)head->kind, .len = head->len, .checksum = head->checksum
    };

    memcpy(ret_bytes, &bytes, sizeof(bytes));
}

int snapshot_head_decode(const unsigned char   bytes[SNAPSHOT_HEAD_BYTES],
                         struct snapshot_head *ret_head)
{
    struct head_bytes head;

    memcpy(&head, bytes, sizeof(head));
    if (head.magic != MAGIC || head.kind < SNAPSHOT_BEGIN || head.kind > SNAPSHOT_END ||
        head.len > SNAPSHOT_SECTION_MOST)
        return -EINVAL;
    *ret_head = (struct snapshot_head){ .kind = (enum snapshot_kind)head.kind,
                                        .len = (uint32_t)head.len,
                                        .checksum = head.checksum };
    return 0;
}

uint64_t snapshot_checksum(uint64_t seed, enum snapshot_kind kind, uint64_t number,
                           struct text payload)
{
    return XXH3_64bits_withSeed(payload.ptr, payload.len, seed ^ number << 8 ^ (uint64_t)kind);
}

/* ---- rows ---- */

void snapshot_row_encode(const struct index_row *row, unsigned char ret_bytes[SNAPSHOT_ROW_BYTES])
{
    struct row_bytes bytes = {
        .fingerprint = (uint32_t)row->hash.low,
        .variant = row->variant,
        .date_s = row->date_s,
        .where = (uint32_t)row->place,
        .segment = record_place_segment(row->place),
        .vary = row->vary,
        .shard = (uint8_t)(row->hash.high % DISK_INDEX_SHARDS),
        .is_used = row->is_used,
    };

    memcpy(ret_bytes, &bytes, sizeof(bytes));
}

void snapshot_row_decode(const unsigned char bytes[SNAPSHOT_ROW_BYTES], struct index_row *ret_row)
{
    struct row_bytes row;

    memcpy(&row, bytes, sizeof(row));
    *ret_row = (struct index_row){
        .hash = { .low = row.fingerprint, .high = row.shard % DISK_INDEX_SHARDS },
        .place = (uint64_t)row.segment << 32 | (row.where & ~1u),
        .variant = row.variant,
        .date_s = row.date_s,
        .vary = row.vary,
        .is_used = row.is_used != 0,
    };
}

/* ---- purges ---- */

size_t snapshot_purge_bytes(const struct purge *purge)
{
    return PURGE_BYTES + purge->prefix.len;
}

void snapshot_purge_encode(const struct purge *purge, unsigned char *ret_bytes)
{
    struct purge_bytes bytes = { .serial = purge->serial,
                                 .label = purge->label,
                                 .kind = (uint32_t)purge->kind,
                                 .is_soft = purge->is_soft };

    memcpy(ret_bytes, &bytes, sizeof(bytes));
    if (purge->prefix.len > 0)
        memcpy(ret_bytes + sizeof(bytes), purge->prefix.ptr, purge->prefix.len);
}

int snapshot_purge_decode(struct text payload, struct purge *ret_purge)
{
    struct purge_bytes bytes;

    if (payload.len < sizeof(bytes) || payload.len > sizeof(bytes) + RECORD_PREFIX_MOST)
        return -EINVAL;
    memcpy(&bytes, payload.ptr, sizeof(bytes));
    if (bytes.kind > PURGE_ALL)
        return -EINVAL;
    *ret_purge = (struct purge){ .kind = (enum purge_kind)bytes.kind,
                                 .is_soft = bytes.is_soft != 0,
                                 .serial = bytes.serial,
                                 .label = bytes.label,
                                 .prefix = text_from_offset(payload, sizeof(bytes)) };
    return 0;
}

/* ---- a whole file ---- */

struct reading {
    struct snapshot_source *source;
    struct snapshot_sink   *sink;
    uint64_t                seed, number, rows;
    unsigned char          *payload;
    bool                    is_ended;
};

static int read_whole(struct snapshot_source *source, void *buffer, size_t len)
{
    ssize_t n = source->read(source, buffer, len);

    if (n < 0)
        return (int)n;
    return (size_t)n == len ? 0 : -EINVAL;
}

static int read_begin(struct reading *reading, struct text payload)
{
    struct snapshot_position position;

    if (payload.len != sizeof(position))
        return -EINVAL;
    memcpy(&position, payload.ptr, sizeof(position));
    return position.version == SNAPSHOT_VERSION ? reading->sink->begin(reading->sink, &position)
                                                : -EINVAL;
}

static int read_vary(struct reading *reading, struct text payload)
{
    uint16_t number;

    if (payload.len <= sizeof(number))
        return -EINVAL;
    memcpy(&number, payload.ptr, sizeof(number));
    return reading->sink->vary(reading->sink, number, text_from_offset(payload, sizeof(number)));
}

static int read_purge(struct reading *reading, struct text payload)
{
    struct purge purge;
    int          r = snapshot_purge_decode(payload, &purge);

    return r == 0 ? reading->sink->purge(reading->sink, &purge) : r;
}

static int read_large(struct reading *reading, struct text payload)
{
    struct snapshot_large large;
    int                   r = payload.len % sizeof(large) == 0 ? 0 : -EINVAL;

    for (size_t at = 0; at < payload.len && r == 0; at += sizeof(large)) {
        memcpy(&large, payload.ptr + at, sizeof(large));
        r = reading->sink->large(reading->sink, &large);
    }
    return r;
}

static int read_rows(struct reading *reading, struct text payload)
{
    struct index_row row;
    int              r = payload.len % SNAPSHOT_ROW_BYTES == 0 ? 0 : -EINVAL;

    for (size_t at = 0; at < payload.len && r == 0; at += SNAPSHOT_ROW_BYTES) {
        snapshot_row_decode((const unsigned char *)payload.ptr + at, &row);
        r = reading->sink->row(reading->sink, &row);
        reading->rows++;
    }
    return r;
}

static int read_end(struct reading *reading, struct text payload)
{
    reading->is_ended = payload.len == sizeof(reading->rows) &&
                        memcmp(payload.ptr, &reading->rows, sizeof(reading->rows)) == 0;
    return reading->is_ended ? 0 : -EINVAL;
}

static int (*const readers[])(struct reading *, struct text) = {
    [SNAPSHOT_BEGIN] = read_begin, [SNAPSHOT_VARY] = read_vary, [SNAPSHOT_PURGE] = read_purge,
    [SNAPSHOT_LARGE] = read_large, [SNAPSHOT_ROWS] = read_rows, [SNAPSHOT_END] = read_end,
};

static int read_section(struct reading *reading)
{
    unsigned char        bytes[SNAPSHOT_HEAD_BYTES];
    struct snapshot_head head;
    struct text          payload;
    int                  r = read_whole(reading->source, bytes, sizeof(bytes));

    if (r == 0)
        r = snapshot_head_decode(bytes, &head);
    if (r == 0 && (head.kind == SNAPSHOT_BEGIN) != (reading->number == 0))
        r = -EINVAL;
    if (r == 0)
        r = read_whole(reading->source, reading->payload, head.len);
    if (r < 0)
        return r;
    payload = text_of((const char *)reading->payload, head.len);
    if (snapshot_checksum(reading->seed, head.kind, reading->number, payload) != head.checksum)
        return -EINVAL;
    reading->number++;
    return readers[head.kind](reading, payload);
}

int snapshot_read(struct snapshot_source *source, uint64_t seed, struct snapshot_sink *sink)
{
    struct reading reading = { .source = source, .sink = sink, .seed = seed };
    int            r = 0;

    reading.payload = mem_try(SNAPSHOT_SECTION_MOST);
    if (reading.payload == NULL)
        return -ENOMEM;
    while (r == 0 && !reading.is_ended)
        r = read_section(&reading);
    mem_free(reading.payload);
    return r;
}
