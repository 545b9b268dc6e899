// SPDX-License-Identifier: MIT
#include "cache/disk_format.h"

#include <errno.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs go to disk as they are");

enum {
    MAGIC = 0x52444631,                  /* "1FDR" */
    SEALED_FROM = 8,                     /* the checksum covers all behind itself */
    CLASS_LARGE = 127, CLASS_STEPS = 4, CLASS_LEAST = 64
};

struct record_head {
    uint64_t            checksum;
    uint32_t            magic;
    uint16_t            kind, label_count;
    uint64_t            body_len, body_checksum, large_id;
    uint64_t            hash_low, hash_high;
    uint32_t            key_len, vary_len, variant_len, head_len;
    struct object_facts facts;
    uint64_t            reserved;
};

_Static_assert(sizeof(struct object_facts) == 48, "facts have no padding");
_Static_assert(sizeof(struct record_head) == RECORD_HEAD_BYTES, "a head has no padding");

/* ---- places ---- */

/* Sizes grow by steps of a quarter of a power of two: class / 4 is the power, class % 4 the step. */
static uint64_t class_size(unsigned size_class)
{
    uint64_t base = (uint64_t)CLASS_LEAST << (size_class / CLASS_STEPS);

    return base + base / CLASS_STEPS * (size_class % CLASS_STEPS);
}

static unsigned class_of(uint64_t size)
{
    unsigned size_class = 0;

    while (class_size(size_class) < size && size_class < CLASS_LARGE)
        size_class++;
    return size_class;
}

uint64_t record_place(uint32_t segment, uint32_t offset, uint64_t size)
{
    return (uint64_t)segment << 32 | (uint64_t)(offset / RECORD_ALIGN) << 8 |
           (uint64_t)class_of(size) << 1;
}

uint32_t record_place_segment(uint64_t place)
{
    return (uint32_t)(place >> 32);
}

uint32_t record_place_offset(uint64_t place)
{
    return (uint32_t)(place >> 8 & 0xffffff) * RECORD_ALIGN;
}

uint64_t record_place_size(uint64_t place)
{
    return record_place_is_large(place) ? RECORD_META_MOST : class_size(place >> 1 & CLASS_LARGE);
}

bool record_place_is_large(uint64_t place)
{
    return (place >> 1 & CLASS_LARGE) == CLASS_LARGE;
}

uint64_t record_seal(uint64_t seed, uint64_t place)
{
    return seed ^ (place & ~UINT64_C(0xff));
}

/* ---- lengths ---- */

uint64_t record_padded(uint64_t bytes)
{
    return (bytes + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

size_t record_meta_bytes(const struct record *record)
{
    const struct object_parts *parts = &record->parts;

    if (record->kind == RECORD_PURGE)
        return RECORD_HEAD_BYTES + record->purge.prefix.len;
    return RECORD_HEAD_BYTES + parts->label_count * sizeof(uint64_t) + parts->key.text.len +
           parts->vary.len + parts->variant.len + parts->head.len;
}

uint64_t record_bytes(const struct record *record)
{
    bool is_within = record->kind == RECORD_OBJECT && record->large_id == 0;

    return record_padded(record_meta_bytes(record)) +
           (is_within ? record_padded(record->body_len) : 0);
}

uint64_t record_place_of(const struct record *record, uint32_t segment, uint32_t offset)
{
    bool is_large = record->kind == RECORD_OBJECT && record->large_id != 0;

    return record_place(segment, offset, is_large ? UINT64_MAX : record_bytes(record));
}

/* ---- to bytes ---- */

static struct record_head head_of_object(const struct record *record)
{
    const struct object_parts *parts = &record->parts;

    return (struct record_head){
        .magic = MAGIC,
        .kind = RECORD_OBJECT,
        .label_count = (uint16_t)parts->label_count,
        .body_len = record->body_len,
        .body_checksum = record->body_checksum,
        .large_id = record->large_id,
        .hash_low = parts->key.hash.low,
        .hash_high = parts->key.hash.high,
        .key_len = (uint32_t)parts->key.text.len,
        .vary_len = (uint32_t)parts->vary.len,
        .variant_len = (uint32_t)parts->variant.len,
        .head_len = (uint32_t)parts->head.len,
        .facts = parts->facts,
    };
}

static struct record_head head_of_purge(const struct purge *purge)
{
    return (struct record_head){
        .magic = MAGIC,
        .kind = RECORD_PURGE,
        .hash_low = purge->label,
        .key_len = (uint32_t)purge->prefix.len,
        .facts = { .serial = purge->serial,
                   .flags = purge->is_soft,
                   .status = (uint32_t)purge->kind },
    };
}

static unsigned char *put(unsigned char *at, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(at, bytes, len);
    return at + len;
}

static unsigned char *put_object(unsigned char *at, const struct object_parts *parts)
{
    at = put(at, parts->labels, parts->label_count * sizeof(uint64_t));
    at = put(at, parts->key.text.ptr, parts->key.text.len);
    at = put(at, parts->vary.ptr, parts->vary.len);
    at = put(at, parts->variant.ptr, parts->variant.len);
    return put(at, parts->head.ptr, parts->head.len);
}

void record_encode(const struct record *record, uint64_t seal, unsigned char *ret_bytes)
{
    size_t             len = record_meta_bytes(record);
    struct record_head head;
    unsigned char     *at = ret_bytes + sizeof(head);

    if (record->kind == RECORD_OBJECT) {
        head = head_of_object(record);
        put_object(at, &record->parts);
    } else {
        head = head_of_purge(&record->purge);
        put(at, record->purge.prefix.ptr, record->purge.prefix.len);
    }
    memcpy(ret_bytes, &head, sizeof(head));
    memset(ret_bytes + len, 0, record_padded(len) - len);
    head.checksum = XXH3_64bits_withSeed(ret_bytes + SEALED_FROM, len - SEALED_FROM, seal);
    memcpy(ret_bytes, &head.checksum, sizeof(head.checksum));
}

/* ---- and back ---- */

/* The lengths are 32 bits each, so their sum does not overflow. */
static uint64_t meta_bytes_of(const struct record_head *head)
{
    return sizeof(*head) + (uint64_t)head->label_count * sizeof(uint64_t) + head->key_len +
           (uint64_t)head->vary_len + head->variant_len + head->head_len;
}

static bool is_possible(const struct record_head *head)
{
    if (head->magic != MAGIC || meta_bytes_of(head) > RECORD_META_MOST)
        return false;
    if (head->kind == RECORD_PURGE)
        return head->label_count == 0 && head->vary_len == 0 && head->variant_len == 0 &&
               head->head_len == 0 && head->body_len == 0 && head->facts.status <= PURGE_ALL &&
               head->key_len <= RECORD_PREFIX_MOST;
    return head->kind == RECORD_OBJECT && head->label_count <= OBJECT_LABELS_MOST &&
           head->body_len <= INT64_MAX;
}

int record_measure(const unsigned char head[RECORD_HEAD_BYTES], size_t *ret_meta_bytes)
{
    struct record_head record;

    memcpy(&record, head, sizeof(record));
    if (!is_possible(&record))
        return -EINVAL;
    *ret_meta_bytes = (size_t)meta_bytes_of(&record);
    return 0;
}

static struct text take(struct text *rest, size_t len)
{
    struct text taken = text_part(*rest, 0, len);

    *rest = text_from_offset(*rest, len);
    return taken;
}

static void read_object(const struct record_head *head, struct text rest, struct record *record)
{
    struct object_parts *parts = &record->parts;

    record->body_len = head->body_len;
    record->body_checksum = head->body_checksum;
    record->large_id = head->large_id;
    parts->facts = head->facts;
    parts->key.hash = (struct cache_hash){ .low = head->hash_low, .high = head->hash_high };
    parts->label_count = head->label_count;
    parts->labels = (const uint64_t *)(const void *)rest.ptr;
    (void)take(&rest, head->label_count * sizeof(uint64_t));
    parts->key.text = take(&rest, head->key_len);
    parts->vary = take(&rest, head->vary_len);
    parts->variant = take(&rest, head->variant_len);
    parts->head = take(&rest, head->head_len);
}

static void read_purge(const struct record_head *head, struct text rest, struct record *record)
{
    record->purge = (struct purge){
        .kind = (enum purge_kind)head->facts.status,
        .is_soft = (head->facts.flags & 1) != 0,
        .serial = head->facts.serial,
        .label = head->hash_low,
        .prefix = take(&rest, head->key_len),
    };
}

int record_decode(struct text meta, uint64_t seal, struct record *ret_record)
{
    struct record_head head;
    size_t             len;

    if (meta.len < sizeof(head))
        return -EAGAIN;
    if (record_measure((const unsigned char *)meta.ptr, &len) < 0)
        return -EINVAL;
    if (meta.len < len)
        return -EAGAIN;
    memcpy(&head, meta.ptr, sizeof(head));
    if (XXH3_64bits_withSeed(meta.ptr + SEALED_FROM, len - SEALED_FROM, seal) != head.checksum)
        return -EINVAL;
    memset(ret_record, 0, sizeof(*ret_record));
    ret_record->kind = (enum record_kind)head.kind;
    if (head.kind == RECORD_OBJECT)
        read_object(&head, text_from_offset(meta, sizeof(head)), ret_record);
    else
        read_purge(&head, text_from_offset(meta, sizeof(head)), ret_record);
    return 0;
}

/* ---- bodies ---- */

uint64_t record_body_checksum(uint64_t seed, struct text body)
{
    return XXH3_64bits_withSeed(body.ptr, body.len, seed);
}

uint64_t record_object_checksum(uint64_t seed, const struct object *object)
{
    XXH3_state_t state;
    struct slice part;

    XXH3_INITSTATE(&state);
    (void)XXH3_64bits_reset_withSeed(&state, seed);
    for (uint64_t at = 0; at < object->body_len; at += part.len) {
        part = object_slice(object, at, UINT32_MAX);
        (void)XXH3_64bits_update(&state, slice_ptr(part), part.len);
        slice_unref(part);
    }
    return XXH3_64bits_digest(&state);
}
