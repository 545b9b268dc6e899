// SPDX-License-Identifier: MIT
/* table: keys are found again, bytes are bounded per shard, age is an order, and loops share it. */
#include "check.h"

#include <pthread.h>

#include "base/hash.h"

enum { LEAST = 128, SMALL = 32 * 1024 };

static struct table *table;
static struct arena *arena;

static int begin(void **state)
{
    (void)state;
    table = table_new(SMALL, LEAST);
    arena = arena_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    table_free(&table);
    assert_null(table);
    arena_free(&arena);
    return 0;
}

static struct entry *add(struct text key)
{
    struct shard *shard = table_enter(table, hash_text(key));
    struct entry *entry = table_add(shard, hash_text(key), key);

    table_leave(shard);
    return entry;
}

static struct entry *find(struct text key)
{
    struct shard *shard = table_enter(table, hash_text(key));
    struct entry *entry = table_find(shard, hash_text(key), key);

    table_leave(shard);
    return entry;
}

static void what_was_added_is_found(void **state)
{
    struct entry *entry = add(TEXT("a"));

    (void)state;
    assert_non_null(entry);
    assert_int_equal(entry->excess, 0);
    assert_int_equal(entry->held, 0);
    assert_ptr_equal(find(TEXT("a")), entry);
    assert_null(find(TEXT("b")));
    assert_null(find(TEXT("")));
}

static void a_key_takes_at_least_its_least(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SMALL / LEAST; i++)
        assert_non_null(add(key_of(arena, i)));
    assert_null(add(key_of(arena, SMALL / LEAST)));
}

static void long_keys_take_powers_of_two(void **state)
{
    char bytes[SMALL] = "";

    (void)state;
    assert_null(add(text_of(bytes, SMALL - sizeof(struct entry) + 1)));
    assert_non_null(add(text_of(bytes, SMALL / 4)));   /* with its numbers: half of it all */
    assert_non_null(add(text_of(bytes, SMALL / 2 - sizeof(struct entry))));
    assert_null(add(TEXT("x")));
}

static void removing_makes_room(void **state)
{
    struct shard *shard;

    (void)state;
    for (uint32_t i = 0; i < SMALL / LEAST; i++)
        assert_non_null(add(key_of(arena, i)));
    shard = table_enter(table, 0);
    table_remove(shard, table_oldest(shard));
    table_leave(shard);
    assert_null(find(key_of(arena, 0)));
    assert_non_null(find(key_of(arena, 1)));
    assert_non_null(add(TEXT("new")));
    assert_null(add(TEXT("newer")));
}

static void the_oldest_is_who_was_renewed_longest_ago(void **state)
{
    struct entry *a, *b;
    struct shard *shard = table_enter(table, 0);

    (void)state;
    assert_null(table_oldest(shard));
    table_leave(shard);
    a = add(TEXT("a"));
    b = add(TEXT("b"));
    assert_ptr_equal(table_oldest(shard), a);
    table_renew(shard, a);
    assert_ptr_equal(table_oldest(shard), b);
    table_remove(shard, b);
    assert_ptr_equal(table_oldest(shard), a);
}

static void a_large_table_has_its_bytes_in_shards(void **state)
{
    enum { BYTES = 4 * 1024 * 1024 };
    unsigned added = 0;

    (void)state;
    table_free(&table);
    table = table_new(BYTES, LEAST);
    for (uint32_t i = 0; i < 2 * BYTES / LEAST; i++)
        added += add(key_of(arena, i)) != NULL;
    assert_in_range(added, BYTES / LEAST / 2, BYTES / LEAST);
    table_free(&table);
    table = table_new(BYTES, LEAST);
    assert_non_null(add(text_of(arena_bytes(arena, 65535), 65535)));   /* the longest fits */
}

enum { THREADS = 4, ROUNDS = 20000, KEYS = 50 };

static void *count_up(void *arg)
{
    struct text *keys = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct text   key = keys[i % KEYS];
        uint64_t      hash = hash_text(key);
        struct shard *shard = table_enter(table, hash);
        struct entry *entry = table_find(shard, hash, key);

        if (entry == NULL)
            entry = table_add(shard, hash, key);
        entry->excess++;
        table_renew(shard, entry);
        table_leave(shard);
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    pthread_t   threads[THREADS];
    struct text keys[KEYS];
    uint64_t    sum = 0;

    (void)state;
    (void)hash_text(TEXT("draws the secret"));
    for (uint32_t i = 0; i < KEYS; i++)
        keys[i] = key_of(arena, i);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, keys), 0);
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < KEYS; i++)
        sum += find(keys[i])->excess;
    assert_int_equal(sum, THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_added_is_found, begin, end),
        cmocka_unit_test_setup_teardown(a_key_takes_at_least_its_least, begin, end),
        cmocka_unit_test_setup_teardown(long_keys_take_powers_of_two, begin, end),
        cmocka_unit_test_setup_teardown(removing_makes_room, begin, end),
        cmocka_unit_test_setup_teardown(the_oldest_is_who_was_renewed_longest_ago, begin, end),
        cmocka_unit_test_setup_teardown(a_large_table_has_its_bytes_in_shards, begin, end),
        cmocka_unit_test_setup_teardown(threads_share_it, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
