// SPDX-License-Identifier: MIT
/* hash: the reference vectors of SipHash-2-4 (key 00..0f, input 00..n-1), and case folding. */
#include "check.h"

#include "base/hash.h"

static void vectors_of_the_paper(void **state)
{
    static const struct {
        size_t   len;
        uint64_t hash;
    } vectors[] = {
        { 0, 0x726fdb47dd0e0e31u },  { 1, 0x74f839c593dc67fdu },  { 2, 0x0d6c8009d9a94f5au },
        { 7, 0xab0200f58b01d137u },  { 8, 0x93f5f5799a932462u },  { 9, 0x9e0082df0ba9e4b0u },
        { 15, 0xa129ca6149be45e5u }, { 16, 0x3f2acc7f57c29bdbu }, { 63, 0x958a324ceb064572u },
    };
    unsigned char key[16], input[64];

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        input[i] = (unsigned char)i;
    memcpy(key, input, sizeof(key));
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        if (hash_siphash(key, input, vectors[i].len) != vectors[i].hash)
            fail_msg("length %zu: %llx", vectors[i].len,
                     (unsigned long long)hash_siphash(key, input, vectors[i].len));
}

static void the_place_of_the_bytes_does_not_matter(void **state)
{
    char bytes[80];

    (void)state;
    for (size_t at = 0; at < 16; at++) {
        memcpy(bytes + at, "a text of some length, to be hashed", 35);
        assert_true(hash_text(text_of(bytes + at, 35)) ==
                    hash_text(TEXT("a text of some length, to be hashed")));
    }
    assert_true(hash_text(TEXT_NONE) == hash_text(TEXT("")));
}

static void case_is_folded_at_every_length(void **state)
{
    const char *lower = "abc[`{@-jklmnopqrst\xe9uvwxyz0123", *upper = "ABC[`{@-JKLMNOPQRST\xe9UVWXYZ0123";
    size_t      whole = strlen(lower);

    (void)state;
    for (size_t len = 0; len <= whole; len++) {
        uint64_t folded = hash_text_nocase(text_of(upper, len));

        assert_true(folded == hash_text_nocase(text_of(lower, len)));
        assert_true(folded == hash_text(text_of(lower, len)));
        if (len > 0)
            assert_true(hash_text(text_of(upper, len)) != hash_text(text_of(lower, len)));
    }
    assert_true(hash_text_nocase(TEXT("[")) != hash_text_nocase(TEXT("{")));
    assert_true(hash_text_nocase(TEXT("@")) != hash_text_nocase(TEXT("`")));
}

/* The length takes part unfolded: 65 and 97 differ only in the bit of case. */
static void lengths_are_not_folded(void **state)
{
    char bytes[97] = { 0 };

    (void)state;
    assert_true(hash_text_nocase(text_of(bytes, 65)) == hash_text(text_of(bytes, 65)));
}

static void print_hash(void)
{
    (void)fprintf(stderr, "%llx", (unsigned long long)hash_text(TEXT("x")));
}

static void children_keep_the_key(void **state)
{
    char mine[32], childs[1024];

    (void)state;
    (void)snprintf(mine, sizeof(mine), "%llx", (unsigned long long)hash_text(TEXT("x")));
    (void)run_in_child(print_hash, childs, sizeof(childs));
    assert_string_equal(mine, childs);
}

/* Before this process has drawn its key, each child draws one of its own. */
static void starts_differ(void **state)
{
    char first[1024], second[1024];

    (void)state;
    (void)run_in_child(print_hash, first, sizeof(first));
    (void)run_in_child(print_hash, second, sizeof(second));
    assert_string_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_paper),
        cmocka_unit_test(starts_differ),
        cmocka_unit_test(the_place_of_the_bytes_does_not_matter),
        cmocka_unit_test(case_is_folded_at_every_length),
        cmocka_unit_test(lengths_are_not_folded),
        cmocka_unit_test(children_keep_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
