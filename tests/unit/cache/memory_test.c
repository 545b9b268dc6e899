// SPDX-License-Identifier: MIT
/* memory: what is found, what is replaced, what is evicted, and that the limit holds. */
#include "objects.h"

#include "base/budget.h"
#include "cache/memory.h"

struct tier {
    struct memory *memory;
    struct purges *purges;
};

static struct tier tier_new(uint64_t bytes)
{
    struct purges *purges = purges_new();

    return (struct tier){ .memory = memory_new(bytes, purges), .purges = purges };
}

static void tier_free(struct tier *tier)
{
    memory_free(&tier->memory);
    purges_free(&tier->purges);
    assert_null(tier->memory);
    assert_null(tier->purges);
}

/* Answers with one text, counts how often it is asked; NULL: none matches. */
struct asked {
    struct variant_ask ask;
    const char        *variant;
    unsigned           count;
};

static struct text answer(struct variant_ask *ask, struct text vary)
{
    struct asked *asked = container_of(ask, struct asked, ask);

    (void)vary;
    asked->count++;
    return text_from(asked->variant);
}

static struct object *find_as(struct tier *tier, const char *key, const char *variant, bool is_use,
                              bool *ret_has_other)
{
    struct asked     asked = { .ask = { answer }, .variant = variant };
    struct cache_key wanted = key_of(key);
    bool             is_purged;

    return memory_find(tier->memory, &wanted, &asked.ask, is_use, &is_purged, ret_has_other);
}

/* The serial of what is found; 0: nothing. */
static uint64_t serial_found(struct tier *tier, const char *key, const char *variant)
{
    struct object *object = find_as(tier, key, variant, true, NULL);
    uint64_t       serial = 0;

    if (object != NULL) {
        serial = object->facts.serial;
        object_unref(object);
    }
    return serial;
}

static bool put(struct tier *tier, const char *key, uint64_t serial, const char *vary,
                const char *variant)
{
    struct object *object = object_of(key_of(key), serial, vary, variant, 10);
    bool           is_in = memory_insert(tier->memory, object);

    object_unref(object);
    return is_in;
}

/* Serial = number. */
static bool put_number(struct tier *tier, uint64_t number, uint64_t body_len)
{
    uint64_t       bytes;
    struct object *object = object_of(key_of_number(number, &bytes), number, NULL, NULL, body_len);
    bool           is_in = memory_insert(tier->memory, object);

    object_unref(object);
    return is_in;
}

static bool has_number(struct tier *tier, uint64_t number, bool is_use)
{
    uint64_t         bytes;
    struct cache_key key = key_of_number(number, &bytes);
    struct asked     asked = { .ask = { answer } };
    bool             is_purged;
    struct object   *object =
        memory_find(tier->memory, &key, &asked.ask, is_use, &is_purged, NULL);

    if (object == NULL)
        return false;
    assert_true(text_is_equal(object_key(object), key.text));
    object_unref(object);
    return true;
}

/* ---- finding ---- */

static void what_is_put_is_found_by_its_key(void **state)
{
    struct tier tier = tier_new(1 << 20);

    (void)state;
    assert_true(put(&tier, "a", 1, NULL, NULL));
    assert_true(put(&tier, "b", 2, NULL, NULL));
    assert_int_equal(serial_found(&tier, "a", NULL), 1);
    assert_int_equal(serial_found(&tier, "b", NULL), 2);
    assert_int_equal(serial_found(&tier, "c", NULL), 0);
    assert_int_equal(memory_figures(tier.memory).hits, 2);
    assert_int_equal(memory_figures(tier.memory).misses, 1);
    assert_int_equal(memory_figures(tier.memory).objects, 2);
    tier_free(&tier);
}

/* Two keys of one hash (never seen, but nobody shall get another's answer). */
static void the_whole_key_is_compared(void **state)
{
    struct tier      tier = tier_new(1 << 20);
    struct cache_key key = key_of("a"), other = { .text = TEXT("b"), .hash = key.hash };
    struct object   *object = object_of(key, 1, NULL, NULL, 0);
    struct asked     asked = { .ask = { answer } };
    bool             is_purged;

    (void)state;
    assert_true(memory_insert(tier.memory, object));
    object_unref(object);
    assert_null(memory_find(tier.memory, &other, &asked.ask, true, &is_purged, NULL));
    object = object_of(other, 2, NULL, NULL, 0);
    assert_true(memory_insert(tier.memory, object));
    object_unref(object);
    assert_int_equal(serial_found(&tier, "a", NULL), 1);
    tier_free(&tier);
}

/* RFC 9111 4.1: the stored response whose selecting fields match. */
static void a_variant_is_chosen_by_the_ask(void **state)
{
    struct tier    tier = tier_new(1 << 20);
    struct object *object;
    bool           has_other = false;

    (void)state;
    assert_true(put(&tier, "a", 1, "accept-language", "de"));
    assert_true(put(&tier, "a", 2, "accept-language", "en"));
    assert_true(put(&tier, "a", 3, "accept-language", ""));
    assert_int_equal(serial_found(&tier, "a", "de"), 1);
    assert_int_equal(serial_found(&tier, "a", "en"), 2);
    assert_int_equal(serial_found(&tier, "a", ""), 3);
    object = find_as(&tier, "a", "fr", true, &has_other);
    assert_null(object);
    assert_true(has_other);
    object = find_as(&tier, "a", NULL, true, &has_other);
    assert_null(object);
    assert_true(has_other);
    object = find_as(&tier, "a", "de", true, &has_other);
    assert_false(has_other);
    object_unref(object);
    assert_null(find_as(&tier, "b", "de", true, &has_other));
    assert_false(has_other);
    tier_free(&tier);
}

/* RFC 9111 4.1: of several that match, the most recent by Date. */
static void the_latest_of_those_that_match_is_taken(void **state)
{
    struct tier tier = tier_new(1 << 20);

    (void)state;
    assert_true(put(&tier, "a", 5, "x", "same"));
    assert_true(put(&tier, "a", 7, "y", "same"));
    assert_true(put(&tier, "a", 6, NULL, NULL));
    assert_int_equal(serial_found(&tier, "a", "same"), 7);
    assert_int_equal(serial_found(&tier, "a", "other"), 6);
    assert_true(put(&tier, "a", 8, "x", "same"));
    assert_int_equal(serial_found(&tier, "a", "same"), 8);
    assert_int_equal(memory_figures(tier.memory).objects, 3);
    tier_free(&tier);
}

static void each_vary_is_asked_about_once(void **state)
{
    struct tier      tier = tier_new(1 << 20);
    struct asked     asked = { .ask = { answer }, .variant = "7" };
    struct cache_key key = key_of("a");
    struct object   *object;
    char             variant[8];
    bool             is_purged;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(variant, sizeof(variant), "%u", i / 2);
        assert_true(put(&tier, "a", i + 1, i % 2 == 0 ? "x" : "y", variant));
    }
    object = memory_find(tier.memory, &key, &asked.ask, true, &is_purged, NULL);
    assert_int_equal(object->facts.serial, 16);
    assert_int_equal(asked.count, 2);
    object_unref(object);
    tier_free(&tier);
}

static void too_many_variants_push_out_the_first(void **state)
{
    struct tier tier = tier_new(1 << 22);
    char        variant[8];

    (void)state;
    for (unsigned i = 0; i <= MEMORY_VARIANTS_MOST; i++) {
        (void)snprintf(variant, sizeof(variant), "%u", i);
        assert_true(put(&tier, "a", i + 1, "x", variant));
    }
    assert_int_equal(memory_figures(tier.memory).objects, MEMORY_VARIANTS_MOST);
    assert_int_equal(serial_found(&tier, "a", "0"), 0);
    assert_int_equal(serial_found(&tier, "a", "1"), 2);
    assert_int_equal(serial_found(&tier, "a", variant), MEMORY_VARIANTS_MOST + 1);
    tier_free(&tier);
}

static void variants_are_listed_newest_first(void **state)
{
    struct tier      tier = tier_new(1 << 20);
    struct cache_key key = key_of("a");
    struct object   *objects[3];
    struct purge     purge = { .kind = PURGE_LABEL, .serial = 100 };

    (void)state;
    assert_true(put(&tier, "a", 2, "x", "2"));
    assert_true(put(&tier, "a", 4, "x", "4"));
    assert_true(put(&tier, "a", 1, NULL, NULL));
    assert_true(put(&tier, "a", 3, "y", "3"));
    assert_true(put(&tier, "b", 9, NULL, NULL));
    assert_int_equal(memory_variants(tier.memory, &key, objects, 3), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(objects[i]->facts.serial, 4 - i);
        object_unref(objects[i]);
    }
    purge = (struct purge){ .kind = PURGE_ALL, .serial = 4 };
    assert_true(purges_add(tier.purges, &purge));
    assert_int_equal(memory_variants(tier.memory, &key, objects, 3), 1);
    object_unref(objects[0]);
    tier_free(&tier);
}

/* ---- replacing and removing ---- */

static void the_same_answer_is_replaced_by_a_later_one_only(void **state)
{
    struct tier tier = tier_new(1 << 20);

    (void)state;
    assert_true(put(&tier, "a", 5, NULL, NULL));
    assert_true(put(&tier, "a", 6, NULL, NULL));
    assert_int_equal(serial_found(&tier, "a", NULL), 6);
    assert_false(put(&tier, "a", 5, NULL, NULL));
    assert_int_equal(serial_found(&tier, "a", NULL), 6);
    assert_true(put(&tier, "a", 6, NULL, NULL));
    assert_int_equal(memory_figures(tier.memory).objects, 1);
    tier_free(&tier);
}

static void what_is_in_already_stays_in_once(void **state)
{
    struct tier    tier = tier_new(1 << 20);
    struct object *object = object_of(key_of("a"), 1, NULL, NULL, 100);
    uint64_t       bytes;

    (void)state;
    assert_true(memory_insert(tier.memory, object));
    bytes = memory_figures(tier.memory).bytes;
    assert_true(memory_insert(tier.memory, object));
    assert_int_equal(memory_figures(tier.memory).bytes, bytes);
    assert_int_equal(memory_figures(tier.memory).objects, 1);
    memory_remove(tier.memory, object);
    memory_remove(tier.memory, object);
    assert_int_equal(memory_figures(tier.memory).objects, 0);
    assert_int_equal(memory_figures(tier.memory).bytes, bytes - object_bytes(object));
    assert_int_equal(atomic_load(&object->refs), 1);
    object_unref(object);
    tier_free(&tier);
}

static void removed_objects_live_as_long_as_they_are_held(void **state)
{
    struct tier    tier = tier_new(1 << 20);
    struct object *object;

    (void)state;
    assert_true(put(&tier, "a", 1, NULL, NULL));
    object = find_as(&tier, "a", NULL, true, NULL);
    memory_remove(tier.memory, object);
    assert_int_equal(serial_found(&tier, "a", NULL), 0);
    tier_free(&tier);
    assert_int_equal(object_inline_body(object)[9], 'b');
    object_unref(object);
}

/* ---- purges ---- */

static void purged_objects_are_not_found_and_swept(void **state)
{
    struct tier      tier = tier_new(1 << 20);
    struct purge     soft = { .kind = PURGE_ALL, .is_soft = true, .serial = 10 };
    struct purge     hard = { .kind = PURGE_ALL, .serial = 2 };
    struct asked     asked = { .ask = { answer } };
    struct cache_key key = key_of("b");
    struct object   *object;
    bool             is_purged = false, has_other = true;

    (void)state;
    assert_true(put(&tier, "a", 1, NULL, NULL));
    assert_true(put(&tier, "b", 2, NULL, NULL));
    assert_true(purges_add(tier.purges, &soft));
    assert_true(purges_add(tier.purges, &hard));
    assert_null(find_as(&tier, "a", NULL, true, &has_other));
    assert_false(has_other);
    object = memory_find(tier.memory, &key, &asked.ask, true, &is_purged, NULL);
    assert_non_null(object);
    assert_true(is_purged);
    object_unref(object);
    assert_int_equal(memory_figures(tier.memory).objects, 2);
    assert_int_equal(memory_sweep(tier.memory, NULL, NULL), 1);
    assert_int_equal(memory_figures(tier.memory).objects, 1);
    assert_int_equal(memory_sweep(tier.memory, NULL, NULL), 0);
    tier_free(&tier);
}

static void count_gone(struct object *object, void *arg)
{
    uint64_t *sum = arg;

    *sum += object->facts.serial;
}

static void a_sweep_meets_every_object(void **state)
{
    struct tier  tier = tier_new(64 << 20);
    struct purge purge = { .kind = PURGE_ALL, .serial = 9001 };
    uint64_t     sum = 0;

    (void)state;
    for (uint64_t i = 1; i <= 10000; i++)
        assert_true(put_number(&tier, i, 0));
    assert_true(purges_add(tier.purges, &purge));
    assert_int_equal(memory_sweep(tier.memory, count_gone, &sum), 9000);
    assert_int_equal(sum, 9000 * 9001 / 2);
    assert_int_equal(memory_figures(tier.memory).objects, 1000);
    for (uint64_t i = 1; i <= 10000; i++)
        assert_int_equal(has_number(&tier, i, false), i > 9000);
    tier_free(&tier);
}

/* More than a sweep takes out under one lock. */
static void a_sweep_meets_every_object_of_a_chain(void **state)
{
    struct tier  tier = tier_new(1 << 20);
    struct purge purge = { .kind = PURGE_ALL, .serial = 1000 };
    char         variant[8];

    (void)state;
    for (unsigned i = 1; i <= 100; i++) {
        (void)snprintf(variant, sizeof(variant), "%u", i);
        assert_true(put(&tier, "a", i, "x", variant));
    }
    assert_true(purges_add(tier.purges, &purge));
    assert_int_equal(memory_sweep(tier.memory, NULL, NULL), 100);
    tier_free(&tier);
}

static void the_oldest_of_what_is_stale_by_a_purge_is_known(void **state)
{
    struct tier  tier = tier_new(64 << 20);
    struct purge purge = { .kind = PURGE_ALL, .is_soft = true, .serial = 3000 };

    (void)state;
    for (uint64_t i = 5000; i > 40; i--)
        assert_true(put_number(&tier, i, 0));
    assert_true(memory_oldest_stale(tier.memory) == UINT64_MAX);
    assert_true(purges_add(tier.purges, &purge));
    assert_int_equal(memory_oldest_stale(tier.memory), 41);
    purges_forget(tier.purges, 0, 3000);
    assert_true(memory_oldest_stale(tier.memory) == UINT64_MAX);
    tier_free(&tier);
}

static void what_nobody_asks_for_goes_after_some_ticks(void **state)
{
    struct tier    tier = tier_new(64 << 20);
    struct object *object;

    (void)state;
    assert_true(put(&tier, "asked", 1, NULL, NULL));
    assert_true(put(&tier, "looked at", 2, NULL, NULL));
    for (unsigned tick = 0; tick < 600; tick++) {
        memory_tick(tier.memory);
        object = find_as(&tier, "asked", NULL, true, NULL);
        object_unref(object);
        object = find_as(&tier, "looked at", NULL, false, NULL);
        assert_true((object != NULL) == (tick < 8));
        if (object != NULL)
            object_unref(object);
        assert_int_equal(memory_drop_idle(tier.memory, 7), tick == 7);
    }
    assert_int_equal(memory_figures(tier.memory).objects, 1);
    tier_free(&tier);
}

static void what_lies_beside_is_counted_but_a_quarter_stays(void **state)
{
    struct tier tier = tier_new(8 << 20);

    (void)state;
    for (uint64_t i = 1; i < 40000; i++)
        assert_true(put_number(&tier, i, 200));
    memory_set_beside(tier.memory, 4 << 20);
    assert_true(memory_figures(tier.memory).bytes <= 8 << 20);
    assert_true(memory_figures(tier.memory).bytes > 7 << 20);
    memory_set_beside(tier.memory, 100 << 20);
    assert_true(memory_figures(tier.memory).bytes <= 8 << 20);
    assert_true(memory_figures(tier.memory).objects > 3000);
    memory_set_beside(tier.memory, 0);
    assert_true(memory_figures(tier.memory).bytes <= 2 << 20);
    tier_free(&tier);
}

/* ---- the limit ---- */

static void the_limit_holds(void **state)
{
    static const uint64_t limits[] = { 300 << 10, 1 << 20, 8 << 20, 100 << 20 };

    (void)state;
    for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct tier tier = tier_new(limits[i]);
        for (uint64_t number = 1; number <= 20000; number++) {
            (void)put_number(&tier, number, number * 2654435761 % 12000);
            assert_true(memory_figures(tier.memory).bytes <= limits[i]);
        }
        assert_true(memory_figures(tier.memory).bytes > limits[i] / 10 * 9);
        memory_resize(tier.memory, limits[i] / 2);
        assert_true(memory_figures(tier.memory).bytes <= limits[i] / 2);
        assert_true(memory_figures(tier.memory).objects > 0);
        tier_free(&tier);
    }
}

/* Up to half of the limit is taken, whatever a shard's share is. */
static void a_large_object_fits(void **state)
{
    struct tier    tier = tier_new(64 << 20);
    struct object *object;
    uint64_t       bytes, most = 0;

    (void)state;
    for (uint64_t number = 1; number <= 2000; number++)
        (void)put_number(&tier, number, 60000);
    for (uint64_t size = 10 << 20; size <= 40 << 20; size += 10 << 20) {
        struct slice body = { .block = block_try_sized((uint32_t)size), .len = (uint32_t)size };
        assert_non_null(body.block);
        object = object_of(key_of_number(size, &bytes), 1, NULL, NULL, 0);
        assert_true(object_try_set_body(object, &body, 1, size));
        if (memory_insert(tier.memory, object))
            most = size;
        slice_unref(body);
        object_unref(object);
        assert_int_equal(has_number(&tier, size, false), size <= 32 << 20);
        assert_true(memory_figures(tier.memory).bytes <= 64 << 20);
    }
    assert_int_equal(most, 30 << 20);
    tier_free(&tier);
}

static void a_tier_too_small_for_itself_takes_nothing(void **state)
{
    struct tier tier = tier_new(100);

    (void)state;
    assert_false(put(&tier, "a", 1, NULL, NULL));
    assert_int_equal(memory_figures(tier.memory).objects, 0);
    tier_free(&tier);
}

/* What the tier holds is no work in hand. */
static void the_budget_does_not_count_it(void **state)
{
    struct tier tier = tier_new(64 << 20);
    uint64_t    before;

    (void)state;
    budget_settle();
    before = budget_held();
    for (uint64_t number = 1; number <= 2000; number++)
        assert_true(put_number(&tier, number, 10000));
    budget_settle();
    assert_int_equal(budget_held(), before);
    tier_free(&tier);
    budget_settle();
    assert_int_equal(budget_held(), before);
}

/* ---- S3-FIFO ---- */

static void what_was_asked_for_outlives_what_passes(void **state)
{
    struct tier tier = tier_new(1 << 20);

    (void)state;
    for (uint64_t number = 1; number <= 50; number++)
        assert_true(put_number(&tier, number, 1000));
    for (uint64_t number = 1; number <= 50; number++)
        assert_true(has_number(&tier, number, number % 2 == 0));
    for (uint64_t number = 1000; number < 20000; number++)
        assert_true(put_number(&tier, number, 1000));
    for (uint64_t number = 1; number <= 50; number++)
        assert_int_equal(has_number(&tier, number, false), number % 2 == 0);
    tier_free(&tier);
}

static void who_comes_back_is_remembered(void **state)
{
    struct tier tier = tier_new(1 << 20);

    (void)state;
    for (uint64_t number = 1; number <= 1500; number++)
        assert_true(put_number(&tier, number, 1000));
    assert_false(has_number(&tier, 400, false));
    assert_true(put_number(&tier, 400, 1000));
    assert_int_equal(memory_figures(tier.memory).ghost_hits, 1);
    for (uint64_t number = 10000; number < 11500; number++)
        assert_true(put_number(&tier, number, 1000));
    assert_true(has_number(&tier, 400, false));
    tier_free(&tier);
}

static void a_replacement_inherits_the_place(void **state)
{
    struct tier tier = tier_new(1 << 20);

    (void)state;
    assert_true(put_number(&tier, 1, 1000));
    assert_true(has_number(&tier, 1, true));
    assert_true(put_number(&tier, 1, 1000));
    for (uint64_t number = 1000; number < 5000; number++)
        assert_true(put_number(&tier, number, 1000));
    assert_true(has_number(&tier, 1, false));
    tier_free(&tier);
}

static void only_what_was_asked_for_is_told_when_evicted(void **state)
{
    struct tier tier = tier_new(1 << 20);
    uint64_t    sum = 0;

    (void)state;
    memory_on_evict(tier.memory, count_gone, &sum);
    for (uint64_t number = 1; number <= 10; number++)
        assert_true(put_number(&tier, number, 1000));
    assert_true(has_number(&tier, 7, true));
    memory_resize(tier.memory, 0);
    assert_int_equal(memory_figures(tier.memory).objects, 0);
    assert_int_equal(memory_figures(tier.memory).evicted, 10);
    assert_int_equal(sum, 7);
    tier_free(&tier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found_by_its_key),
        cmocka_unit_test(the_whole_key_is_compared),
        cmocka_unit_test(a_variant_is_chosen_by_the_ask),
        cmocka_unit_test(the_latest_of_those_that_match_is_taken),
        cmocka_unit_test(each_vary_is_asked_about_once),
        cmocka_unit_test(too_many_variants_push_out_the_first),
        cmocka_unit_test(variants_are_listed_newest_first),
        cmocka_unit_test(the_same_answer_is_replaced_by_a_later_one_only),
        cmocka_unit_test(what_is_in_already_stays_in_once),
        cmocka_unit_test(removed_objects_live_as_long_as_they_are_held),
        cmocka_unit_test(purged_objects_are_not_found_and_swept),
        cmocka_unit_test(a_sweep_meets_every_object),
        cmocka_unit_test(a_sweep_meets_every_object_of_a_chain),
        cmocka_unit_test(the_oldest_of_what_is_stale_by_a_purge_is_known),
        cmocka_unit_test(what_nobody_asks_for_goes_after_some_ticks),
        cmocka_unit_test(what_lies_beside_is_counted_but_a_quarter_stays),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(a_large_object_fits),
        cmocka_unit_test(a_tier_too_small_for_itself_takes_nothing),
        cmocka_unit_test(the_budget_does_not_count_it),
        cmocka_unit_test(what_was_asked_for_outlives_what_passes),
        cmocka_unit_test(who_comes_back_is_remembered),
        cmocka_unit_test(a_replacement_inherits_the_place),
        cmocka_unit_test(only_what_was_asked_for_is_told_when_evicted),
    };

    return cmocka_run_group_tests_name("cache/memory", tests, NULL, drain);
}
