// SPDX-License-Identifier: MIT
/* disk_format: places hold what they are made of, records come back as they were, and nothing that was
 * changed, cut or moved is taken for one. */
#include <errno.h>

#include "objects.h"

#include "base/mem.h"
#include "cache/disk_format.h"

static const uint64_t labels[] = { 1, UINT64_MAX, 3 };

static struct record object_record(void)
{
    return (struct record){
        .kind = RECORD_OBJECT,
        .body_len = 100,
        .body_checksum = 77,
        .parts = { .facts = { .serial = 5, .response_ms = -1, .date_s = 9, .lifetime_s = 60,
                              .flags = OBJECT_NO_CACHE, .status = 404 },
                   .key = key_of("http://example.org/"),
                   .vary = TEXT("accept"),
                   .variant = TEXT("text/html"),
                   .head = TEXT("some head"),
                   .labels = labels,
                   .label_count = 3 },
    };
}

static void places_hold_what_they_are_made_of(void **state)
{
    const uint64_t sizes[] = { 0, 1, 64, 65, 1000, 4096, 100000, 5000000, 256u << 20 };
    uint64_t       place;

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        place = record_place(UINT32_MAX - i, 16 * (i + 1), sizes[i]);
        assert_int_equal(record_place_segment(place), UINT32_MAX - i);
        assert_int_equal(record_place_offset(place), 16 * (i + 1));
        assert_true(record_place_size(place) >= sizes[i]);
        assert_true(record_place_size(place) <= sizes[i] + sizes[i] / 4 + 64);
        assert_false(record_place_is_large(place));
        assert_int_equal(place & 1, 0);
    }
    assert_int_equal(record_place_offset(record_place(1, (256u << 20) - 16, 1)), (256u << 20) - 16);
    assert_true(record_place(1, 0, 0) != 0);
    assert_true(record_place_is_large(record_place(1, 0, UINT64_MAX)));
}

static void an_object_comes_back(void **state)
{
    struct record record = object_record(), back;
    _Alignas(16) unsigned char bytes[512];
    size_t        len = record_meta_bytes(&record), measured;

    (void)state;
    assert_int_equal(record_bytes(&record), record_padded(len) + record_padded(100));
    record_encode(&record, 42, bytes);
    assert_int_equal(record_measure(bytes, &measured), 0);
    assert_int_equal(measured, len);
    assert_int_equal(record_decode(text_of((char *)bytes, len), 42, &back), 0);
    assert_int_equal(back.kind, RECORD_OBJECT);
    assert_int_equal(back.body_len, 100);
    assert_int_equal(back.body_checksum, 77);
    assert_memory_equal(&back.parts.facts, &record.parts.facts, sizeof(back.parts.facts));
    assert_true(text_is_equal(back.parts.key.text, record.parts.key.text));
    assert_true(cache_hash_is_equal(back.parts.key.hash, record.parts.key.hash));
    assert_true(text_is_equal(back.parts.vary, record.parts.vary));
    assert_true(text_is_equal(back.parts.variant, record.parts.variant));
    assert_true(text_is_equal(back.parts.head, record.parts.head));
    assert_int_equal(back.parts.label_count, 3);
    assert_memory_equal(back.parts.labels, labels, sizeof(labels));
    record.large_id = 9;                 /* then the body is elsewhere */
    assert_int_equal(record_bytes(&record), record_padded(len));
}

static void a_purge_comes_back(void **state)
{
    struct record record = { .kind = RECORD_PURGE,
                             .purge = { .kind = PURGE_PREFIX,
                                        .is_soft = true,
                                        .serial = 12,
                                        .label = 13,
                                        .prefix = TEXT("http://example.org/a") } },
                  back;
    _Alignas(16) unsigned char bytes[512];

    (void)state;
    record_encode(&record, 1, bytes);
    assert_int_equal(
        record_decode(text_of((char *)bytes, record_meta_bytes(&record)), 1, &back), 0);
    assert_int_equal(back.kind, RECORD_PURGE);
    assert_int_equal(back.purge.kind, PURGE_PREFIX);
    assert_true(back.purge.is_soft);
    assert_int_equal(back.purge.serial, 12);
    assert_int_equal(back.purge.label, 13);
    assert_true(text_is_equal(back.purge.prefix, TEXT("http://example.org/a")));
}

static void any_change_is_found(void **state)
{
    struct record record = object_record(), back;
    _Alignas(16) unsigned char bytes[512];
    size_t        len = record_meta_bytes(&record);

    (void)state;
    record_encode(&record, 42, bytes);
    assert_int_equal(record_decode(text_of((char *)bytes, len), 43, &back), -EINVAL);
    for (size_t i = 0; i < len * 8; i++) {
        bytes[i / 8] ^= (unsigned char)(1u << i % 8);
        assert_true(record_decode(text_of((char *)bytes, len), 42, &back) < 0);
        bytes[i / 8] ^= (unsigned char)(1u << i % 8);
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(record_decode(text_of((char *)bytes, cut), 42, &back), -EAGAIN);
    assert_int_equal(record_decode(text_of((char *)bytes, len), 42, &back), 0);
}

static void a_body_is_summed_in_pieces_as_in_one(void **state)
{
    uint32_t       len = 3 * OBJECT_SLICE_BYTES + 5;
    unsigned char *bytes = mem_new(len);
    struct object *object = object_of(key_of("k"), 1, NULL, NULL, 0);
    struct slice   slices[4];

    (void)state;
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i * 31);
    for (uint32_t i = 0; i < 4; i++)
        slices[i] = slice_copy(text_part(text_of((char *)bytes, len), i * OBJECT_SLICE_BYTES,
                                         OBJECT_SLICE_BYTES));
    assert_true(object_try_set_body(object, slices, 4, len));
    assert_true(record_object_checksum(3, object) ==
                record_body_checksum(3, text_of((char *)bytes, len)));
    for (uint32_t i = 0; i < 4; i++)
        slice_unref(slices[i]);
    object_unref(object);
    mem_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_hold_what_they_are_made_of),
        cmocka_unit_test(an_object_comes_back),
        cmocka_unit_test(a_purge_comes_back),
        cmocka_unit_test(any_change_is_found),
        cmocka_unit_test(a_body_is_summed_in_pieces_as_in_one),
    };

    return cmocka_run_group_tests(tests, NULL, drain);
}
