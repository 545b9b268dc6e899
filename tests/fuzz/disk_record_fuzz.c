// SPDX-License-Identifier: MIT
/* Records of the disk tier. The input is a record's bytes with a checksum that is made right, so that what
 * lies behind it is reached; checked: whatever is accepted lies within, is as long as it says, and written
 * again it is the same bytes. And as it came, with its own checksum: nothing but a sound one is accepted. */
#include <stdint.h>
#include <string.h>

#include <xxhash.h>

#include "base/mem.h"
#include "base/must.h"
#include "cache/disk_format.h"

enum { SEAL = 4711, CHECKSUM_BYTES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_within(struct text part, struct text whole)
{
    must(part.len == 0 ||
         (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void check_object(const struct object_parts *parts, struct text whole)
{
    uint64_t sum = 0;

    check_within(parts->key.text, whole);
    check_within(parts->vary, whole);
    check_within(parts->variant, whole);
    check_within(parts->head, whole);
    must(parts->label_count <= OBJECT_LABELS_MOST);
    for (uint32_t i = 0; i < parts->label_count; i++)
        sum += parts->labels[i];
    must(sum == sum);
}

static void check_again(const struct record *record, struct text whole)
{
    size_t         len = record_meta_bytes(record);
    unsigned char *again = mem_try((size_t)record_padded(len));
    struct record  other;

    must(again != NULL && len <= whole.len && record_bytes(record) >= len);
    record_encode(record, SEAL, again);
    must(record_decode(text_of((char *)again, len), SEAL, &other) == 0);
    must(record_meta_bytes(&other) == len && record_bytes(&other) == record_bytes(record));
    must(record_decode(text_of((char *)again, len), SEAL + 1, &other) < 0);
    mem_free(again);
}

static void check(struct text whole)
{
    struct record record;

    if (record_decode(whole, SEAL, &record) < 0)
        return;
    if (record.kind == RECORD_OBJECT)
        check_object(&record.parts, whole);
    else
        check_within(record.purge.prefix, whole);
    check_again(&record, whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char    *exact = mem_try(len + 1);
    size_t   meta;
    uint64_t checksum;

    must(exact != NULL);
    memcpy(exact, bytes, len);
    check(text_of(exact, len));
    if (len >= RECORD_HEAD_BYTES && record_measure(bytes, &meta) == 0 && meta <= len) {
        checksum = XXH3_64bits_withSeed(exact + CHECKSUM_BYTES, meta - CHECKSUM_BYTES, SEAL);
        memcpy(exact, &checksum, sizeof(checksum));
        check(text_of(exact, len));
    }
    mem_free(exact);
    return 0;
}
