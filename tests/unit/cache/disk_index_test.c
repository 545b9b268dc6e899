// SPDX-License-Identifier: MIT
/* disk_index: finds the latest of a key and variant, within 32 bytes an object, and forgets by segment. */
#include "objects.h"

#include "base/mem.h"
#include "cache/disk_format.h"
#include "cache/disk_index.h"

enum { MANY = 200 * 1000 };

static struct disk_index *index_;
static struct disk_vary  *varies;

static int set_up(void **state)
{
    (void)state;
    index_ = disk_index_new(SEED);
    varies = disk_vary_new();
    disk_index_newest(index_, 70000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    disk_index_free(&index_);
    disk_vary_free(&varies);
    return 0;
}

static struct index_row row_at(struct cache_hash hash, uint64_t place, uint32_t date_s,
                               const char *vary, const char *variant)
{
    struct index_row row = { .hash = hash, .place = place, .date_s = date_s };

    assert_true(disk_vary_number(varies, text_from(vary), &row.vary));
    row.variant = disk_index_variant(index_, hash, text_from(variant));
    return row;
}

static uint64_t put(struct index_row row)
{
    uint64_t former = 1;

    assert_true(disk_index_put(index_, &row, &former));
    return former;
}

static void many_are_found_and_small(void **state)
{
    uint64_t number;
    bool     is_used;

    (void)state;
    for (uint64_t i = 1; i <= MANY; i++)
        assert_int_equal(put(row_at(key_of_number(i, &number).hash,
                                    record_place(1 + (uint32_t)(i % 60000), 16 * (uint32_t)i, 100),
                                    1, "", "")),
                         0);
    assert_int_equal(disk_index_count(index_), MANY);
    assert_true(disk_index_bytes(index_) <= 32 * MANY);
    for (uint64_t i = 1; i <= MANY; i++) {
        struct cache_hash hash = key_of_number(i, &number).hash;
        uint64_t          place = disk_index_find(index_, varies, hash, NULL);

        assert_int_equal(record_place_offset(place), 16 * i);
        assert_true(disk_index_has(index_, hash, place, &is_used) && !is_used);
    }
    assert_int_equal(disk_index_find(index_, varies, key_of("none").hash, NULL), 0);
}

static void numbers_of_segments_come_back_whole(void **state)
{
    struct cache_hash hash = key_of("k").hash;

    (void)state;
    disk_index_newest(index_, 5 * 65536 + 3);
    (void)put(row_at(hash, record_place(4 * 65536 + 65000, 16, 1), 1, "", ""));
    assert_int_equal(record_place_segment(disk_index_find(index_, varies, hash, NULL)),
                     4 * 65536 + 65000);
    (void)put(row_at(hash, record_place(5 * 65536 + 3, 16, 1), 1, "", ""));
    assert_int_equal(record_place_segment(disk_index_find(index_, varies, hash, NULL)),
                     5 * 65536 + 3);
}

static void the_same_is_replaced_and_taken(void **state)
{
    struct cache_hash hash = key_of("k").hash;
    uint64_t          first = record_place(69000, 16, 1), second = record_place(69001, 32, 1);

    (void)state;
    assert_int_equal(put(row_at(hash, first, 9, "", "")), 0);
    assert_int_equal(put(row_at(hash, second, 1, "", "")), first);
    assert_int_equal(disk_index_count(index_), 1);
    assert_false(disk_index_take(index_, hash, first));
    assert_true(disk_index_take(index_, hash, second));
    assert_int_equal(disk_index_count(index_), 0);
    assert_int_equal(disk_index_find(index_, varies, hash, NULL), 0);
}

static struct text says_de(struct variant_ask *ask, struct text vary)
{
    (void)ask;
    return text_is_equal(vary, TEXT("accept")) ? TEXT_NONE : TEXT("de");
}

static void the_latest_variant_that_matches_is_found(void **state)
{
    struct cache_hash  hash = key_of("k").hash;
    struct variant_ask ask = { .variant = says_de };

    (void)state;
    (void)put(row_at(hash, record_place(69000, 16, 1), 5, "accept-language", "fr"));
    assert_int_equal(disk_index_find(index_, varies, hash, &ask), 0);
    (void)put(row_at(hash, record_place(69000, 32, 1), 1, "accept-language", "de"));
    (void)put(row_at(hash, record_place(69000, 48, 1), 9, "accept", "de"));
    assert_int_equal(record_place_offset(disk_index_find(index_, varies, hash, &ask)), 32);
    (void)put(row_at(hash, record_place(69000, 64, 1), 3, "x-language", "de"));
    assert_int_equal(record_place_offset(disk_index_find(index_, varies, hash, &ask)), 64);
    assert_int_equal(disk_index_find(index_, varies, hash, NULL), 0);
}

static void segments_are_forgotten_and_used_ones_told(void **state)
{
    uint64_t          number, *used;
    struct cache_hash hash;
    size_t            count;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        hash = key_of_number(i, &number).hash;
        (void)put(row_at(hash, record_place(69000 + (uint32_t)i % 10, 16 * (uint32_t)i, 1), 1, "", ""));
        if (i % 100 == 3)
            disk_index_use(index_, hash, 0, disk_index_variant(index_, hash, TEXT_NONE));
    }
    used = disk_index_used(index_, 69003, &count);
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(record_place_offset(used[i]), 16 * (100 * i + 3));
    mem_free(used);
    assert_null(disk_index_used(index_, 69004, &count));
    assert_int_equal(disk_index_drop_segment(index_, 69003), 100);
    assert_int_equal(disk_index_count(index_), 900);
    assert_int_equal(disk_index_drop_segment(index_, 69003), 0);
}

static void varies_are_numbered_once(void **state)
{
    uint16_t first, second, again;
    char     text[16];

    (void)state;
    assert_true(disk_vary_number(varies, TEXT("accept"), &first));
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(text, sizeof(text), "x-%u", i);
        assert_true(disk_vary_number(varies, text_from(text), &second));
        assert_true(text_is_equal(disk_vary_text(varies, second), text_from(text)));
    }
    assert_true(disk_vary_number(varies, TEXT("accept"), &again));
    assert_int_equal(again, first);
    assert_int_equal(disk_vary_count(varies), 2001);
    assert_null(disk_vary_text(varies, 3000).ptr);
    assert_null(disk_vary_text(varies, 0).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_are_found_and_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_of_segments_come_back_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_is_replaced_and_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_latest_variant_that_matches_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segments_are_forgotten_and_used_ones_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(varies_are_numbered_once, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, drain);
}
