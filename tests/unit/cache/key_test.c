// SPDX-License-Identifier: MIT
/* key: hashes depend on the text, the seed and the kind, and on nothing else. */
#include "objects.h"

static void a_hash_is_of_text_and_seed(void **state)
{
    struct cache_key key = cache_key_of(1, TEXT("abc"));

    (void)state;
    assert_true(cache_hash_is_equal(key.hash, cache_key_of(1, text_of("abcd", 3)).hash));
    assert_false(cache_hash_is_equal(key.hash, cache_key_of(2, TEXT("abc")).hash));
    assert_false(cache_hash_is_equal(key.hash, cache_key_of(1, TEXT("abd")).hash));
    assert_false(cache_hash_is_equal((struct cache_hash){ 1, 2 }, (struct cache_hash){ 1, 3 }));
    assert_false(cache_hash_is_equal((struct cache_hash){ 1, 2 }, (struct cache_hash){ 3, 2 }));
    assert_true(text_is_equal(key.text, TEXT("abc")));
}

/* They lie on disks: another hash there would be another cache. */
static void hashes_are_the_same_in_every_version(void **state)
{
    struct cache_hash hash = cache_key_of(0, TEXT("")).hash;

    (void)state;
    assert_true(hash.high == 0x99aa06d3014798d8 && hash.low == 0x6001c324468d497f);
}

static void labels_of_different_kinds_differ(void **state)
{
    (void)state;
    for (enum cache_label kind = LABEL_KEY; kind < LABEL_GROUP; kind++)
        assert_true(cache_label_hash(9, kind, TEXT("x")) !=
                    cache_label_hash(9, (enum cache_label)(kind + 1), TEXT("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_of_text_and_seed),
        cmocka_unit_test(hashes_are_the_same_in_every_version),
        cmocka_unit_test(labels_of_different_kinds_differ),
    };

    return cmocka_run_group_tests_name("cache/key", tests, NULL, drain);
}
