// SPDX-License-Identifier: MIT
/* object: its texts, its body in each form, what it costs, and its age. */
#include "objects.h"

#include "base/block.h"
#include "cache/large_body.h"

static void texts_and_labels_are_copied(void **state)
{
    char                bytes[] = "key accept v1 head";
    uint64_t            labels[] = { 3, 4, 5 };
    struct object_parts parts = {
        .facts = { .serial = 9, .status = 404 },
        .key = cache_key_of(SEED, text_of(bytes, 3)),
        .vary = text_of(bytes + 4, 6),
        .variant = text_of(bytes + 11, 2),
        .head = text_of(bytes + 14, 4),
        .labels = labels,
        .label_count = 3,
    };
    struct object *object = object_made(&parts, 0);

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    memset(labels, 0, sizeof(labels));
    CHECK_TEXT(object_key(object), "key");
    CHECK_TEXT(object_vary(object), "accept");
    CHECK_TEXT(object_variant(object), "v1");
    CHECK_TEXT(object_head(object), "head");
    assert_int_equal(object_labels(object)[0], 3);
    assert_int_equal(object_labels(object)[2], 5);
    assert_int_equal(object->facts.status, 404);
    assert_true(cache_hash_is_equal(object->hash, key_of("key").hash));
    assert_true(object_is_inline(object));
    assert_int_equal(object_slice(object, 0, 100).len, 0);
    object_unref(object);
}

static void an_inline_body_is_read_in_parts(void **state)
{
    struct object *object = object_of(key_of("k"), 1, NULL, NULL, OBJECT_INLINE_MOST);
    struct slice   slice;

    (void)state;
    object_inline_body(object)[OBJECT_INLINE_MOST - 1] = 'e';
    assert_true(object_is_inline(object));
    slice = object_slice(object, OBJECT_INLINE_MOST - 2, 100);
    CHECK_TEXT(slice_text(slice), "be");
    object_unref(object);                /* the slice holds the block */
    CHECK_TEXT(slice_text(slice), "be");
    slice_unref(slice);
}

static struct slice filled(uint32_t len, char byte)
{
    struct slice slice = { .block = block_new_sized(len + 3), .start = 3, .len = len };

    memset(slice.block->bytes, byte, len + 3);
    return slice;
}

static void a_body_of_slices_is_read_across_them(void **state)
{
    struct slice   slices[] = { filled(OBJECT_SLICE_BYTES, 'a'), filled(OBJECT_SLICE_BYTES, 'b'),
                                filled(10, 'c') };
    uint64_t       len = 2 * OBJECT_SLICE_BYTES + 10;
    struct object *object = object_of(key_of("k"), 1, NULL, NULL, len);
    struct slice   slice;

    (void)state;
    assert_int_equal(object->body_len, 0);
    assert_true(object_try_set_body(object, slices, 3, len));
    for (unsigned i = 0; i < 3; i++)
        slice_unref(slices[i]);
    assert_int_equal(object->body_len, len);
    assert_false(object_is_inline(object));
    slice = object_slice(object, OBJECT_SLICE_BYTES - 1, 100);
    CHECK_TEXT(slice_text(slice), "a");
    slice_unref(slice);
    slice = object_slice(object, OBJECT_SLICE_BYTES, 2);
    CHECK_TEXT(slice_text(slice), "bb");
    slice_unref(slice);
    slice = object_slice(object, len - 2, 100);
    CHECK_TEXT(slice_text(slice), "cc");
    slice_unref(slice);
    assert_int_equal(object_slice(object, len, 100).len, 0);
    assert_int_equal(object_slice(object, len + 1, 100).len, 0);
    object_unref(object);
}

/* One slice that holds all: larger than OBJECT_SLICE_BYTES. */
static void a_body_of_one_slice_is_read(void **state)
{
    const uint32_t len = OBJECT_SLICE_BYTES + 100;
    struct slice   body = filled(len, 'a'), slice;
    struct object *object = object_of(key_of("k"), 1, NULL, NULL, len);

    (void)state;
    body.block->bytes[3 + len - 1] = 'z';
    assert_true(object_try_set_body(object, &body, 1, len));
    slice_unref(body);
    slice = object_slice(object, OBJECT_SLICE_BYTES - 1, 2);
    CHECK_TEXT(slice_text(slice), "aa");
    slice_unref(slice);
    slice = object_slice(object, len - 2, 100);
    CHECK_TEXT(slice_text(slice), "az");
    slice_unref(slice);
    object_unref(object);
}

static void blocks_are_counted_while_it_lives(void **state)
{
    size_t         before = block_total();
    struct slice   body = filled(100000, 'a');
    struct object *object = object_of(key_of("k"), 1, NULL, NULL, 100000);

    (void)state;
    assert_true(object_try_set_body(object, &body, 1, 100000));
    slice_unref(body);
    assert_int_equal(object_ref(object), object);
    assert_int_equal(block_total() - before, object->home->size + 100003);
    assert_int_equal(object_block_bytes(object),
                     block_total() - before + 2 * sizeof(struct block));
    assert_true(object_bytes(object) > object_block_bytes(object));
    assert_true(object_bytes(object) < object_block_bytes(object) + 100);
    object_unref(object);
    object_unref(object);
    assert_int_equal(block_total(), before);
}

/* RFC 9111 4.2.3: current_age = corrected_initial_age + resident_time. */
static void it_ages_from_what_it_was(void **state)
{
    struct object *object = object_of(key_of("k"), 1, NULL, NULL, 0);

    (void)state;
    object->facts.initial_age_s = 7;
    object->born_ms = 100000;
    assert_int_equal(object_age_s(object, 100000), 7);
    assert_int_equal(object_age_s(object, 100999), 7);
    assert_int_equal(object_age_s(object, 101000), 8);
    assert_int_equal(object_age_s(object, 99000), 7);
    object->facts.initial_age_s = UINT32_MAX;
    assert_int_equal(object_age_s(object, 102000), (int64_t)UINT32_MAX + 2);
    object_unref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_labels_are_copied),
        cmocka_unit_test(an_inline_body_is_read_in_parts),
        cmocka_unit_test(a_body_of_slices_is_read_across_them),
        cmocka_unit_test(a_body_of_one_slice_is_read),
        cmocka_unit_test(blocks_are_counted_while_it_lives),
        cmocka_unit_test(it_ages_from_what_it_was),
    };

    return cmocka_run_group_tests_name("cache/object", tests, NULL, drain);
}
