// SPDX-License-Identifier: MIT
/* purges: what each kind concerns, the epoch, forgetting, and a full book. */
#include "objects.h"

#include "cache/purges.h"

static struct purges *purges;

static int set_up(void **state)
{
    (void)state;
    purges = purges_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    purges_free(&purges);
    assert_null(purges);
    return 0;
}

static void purge_label(uint64_t label, uint64_t serial, bool is_soft)
{
    struct purge purge = { .kind = PURGE_LABEL, .label = label, .serial = serial, .is_soft = is_soft };

    assert_true(purges_add(purges, &purge));
}

static void purge_prefix(const char *prefix, uint64_t serial, bool is_soft)
{
    struct purge purge = {
        .kind = PURGE_PREFIX, .prefix = text_from(prefix), .serial = serial, .is_soft = is_soft
    };

    assert_true(purges_add(purges, &purge));
}

static void purge_all(uint64_t serial, bool is_soft)
{
    struct purge purge = { .kind = PURGE_ALL, .serial = serial, .is_soft = is_soft };

    assert_true(purges_add(purges, &purge));
}

static enum purge_verdict judge(uint64_t serial, const char *key, uint64_t label)
{
    const uint64_t labels[] = { 0xaaaa, label };

    return purges_judge_record(purges, serial, text_from(key), labels, 2);
}

static struct object *labelled(uint64_t serial, uint64_t label)
{
    struct object_parts parts = { .key = key_of("key"), .facts = { .serial = serial },
                                  .labels = &label, .label_count = 1 };

    return object_made(&parts, 0);
}

static void a_label_concerns_what_was_stored_before(void **state)
{
    (void)state;
    assert_int_equal(judge(1, "k", 7), PURGE_KEPT);
    purge_label(7, 10, false);
    assert_int_equal(judge(9, "k", 7), PURGE_GONE);
    assert_int_equal(judge(10, "k", 7), PURGE_KEPT);
    assert_int_equal(judge(9, "k", 8), PURGE_KEPT);
    purge_label(0xaaaa, 12, false);
    assert_int_equal(judge(11, "k", 8), PURGE_GONE);
    purge_label(0, 20, false);
    assert_int_equal(judge(19, "k", 0), PURGE_GONE);
    assert_int_equal(judge(19, "k", 8), PURGE_KEPT);
}

static void soft_and_hard_stand_beside_each_other(void **state)
{
    (void)state;
    purge_label(7, 5, false);
    purge_label(7, 10, true);
    assert_int_equal(judge(4, "k", 7), PURGE_GONE);
    assert_int_equal(judge(5, "k", 7), PURGE_STALE);
    assert_int_equal(judge(9, "k", 7), PURGE_STALE);
    assert_int_equal(judge(10, "k", 7), PURGE_KEPT);
    purge_all(8, false);
    assert_int_equal(judge(7, "k", 7), PURGE_GONE);
    assert_int_equal(judge(8, "k", 7), PURGE_STALE);
    purge_all(10, false);
    assert_int_equal(judge(9, "k", 7), PURGE_GONE);
    assert_int_equal(purges_count(purges), 1);
}

static void a_prefix_concerns_keys_that_begin_so(void **state)
{
    (void)state;
    purge_prefix("http://a/b", 10, false);
    assert_int_equal(judge(9, "http://a/b", 1), PURGE_GONE);
    assert_int_equal(judge(9, "http://a/bc", 1), PURGE_GONE);
    assert_int_equal(judge(9, "http://a/", 1), PURGE_KEPT);
    assert_int_equal(judge(10, "http://a/bc", 1), PURGE_KEPT);
    purge_prefix("http://a/bc", 12, true);
    assert_int_equal(judge(11, "http://a/bc", 1), PURGE_STALE);
    assert_int_equal(judge(9, "http://a/bc", 1), PURGE_GONE);
    assert_int_equal(purges_count(purges), 2);
    purge_prefix("http://a/", 13, false);
    assert_int_equal(purges_count(purges), 1);
    purge_prefix("http://a/", 14, true);
    assert_int_equal(purges_count(purges), 2);
    assert_int_equal(judge(12, "http://a/", 1), PURGE_GONE);
    assert_int_equal(judge(13, "http://a/", 1), PURGE_STALE);
    purge_prefix("", 15, false);
    assert_int_equal(purges_count(purges), 1);
    assert_int_equal(judge(14, "", 1), PURGE_GONE);
}

static void an_object_is_looked_up_once_per_purge(void **state)
{
    struct object *object = labelled(5, 7);

    (void)state;
    assert_int_equal(purges_judge(purges, object), PURGE_KEPT);
    assert_int_not_equal(atomic_load(&object->purge_epoch), 0);
    purge_label(8, 10, false);
    assert_int_equal(purges_judge(purges, object), PURGE_KEPT);
    purge_label(7, 5, false);
    assert_int_equal(purges_judge(purges, object), PURGE_KEPT);
    purge_label(7, 11, true);
    assert_int_equal(purges_judge(purges, object), PURGE_STALE);
    assert_int_equal(purges_judge(purges, object), PURGE_STALE);
    purge_label(7, 12, false);
    assert_int_equal(purges_judge(purges, object), PURGE_GONE);
    assert_int_equal(purges_judge(purges, object), PURGE_GONE);
    object_unref(object);
}

static void what_concerns_nobody_is_forgotten(void **state)
{
    (void)state;
    for (uint64_t label = 1; label <= 1000; label++)
        purge_label(label, label, label % 2 == 0);
    purge_prefix("p", 500, false);
    purge_prefix("q", 501, true);
    assert_int_equal(purges_count(purges), 1002);
    purges_forget(purges, 500, 500);
    assert_int_equal(purges_count(purges), 501);
    assert_int_equal(judge(0, "p", 500), PURGE_KEPT);
    assert_int_equal(judge(500, "q", 500), PURGE_STALE);
    assert_int_equal(judge(500, "k", 501), PURGE_GONE);
    assert_int_equal(judge(998, "k", 1000), PURGE_STALE);
    purge_all(2000, true);
    assert_int_equal(judge(998, "k", 999), PURGE_GONE);
    purges_forget(purges, 3000, 1999);
    assert_int_equal(judge(1999, "k", 999), PURGE_STALE);
    purges_forget(purges, 3000, 2000);
    assert_int_equal(purges_count(purges), 0);
    assert_int_equal(judge(1, "k", 999), PURGE_KEPT);
    assert_int_equal(purges_newest(purges), 2000);
}

/* Nothing that was purged comes back, though the book is bounded. */
static void a_full_book_purges_more_rather_than_less(void **state)
{
    const uint64_t count = PURGES_LABELS_MOST + 10;

    (void)state;
    for (uint64_t i = 1; i <= count; i++)
        purge_label(i * 0x9e3779b97f4a7c15, i, false);
    assert_true(purges_count(purges) <= PURGES_LABELS_MOST);
    for (uint64_t i = 1; i <= count; i += 97)
        assert_int_equal(judge(i - 1, "k", i * 0x9e3779b97f4a7c15), PURGE_GONE);
    assert_int_equal(judge(count, "k", 3), PURGE_KEPT);
    assert_int_equal(judge(count / 4 * 3, "k", 3), PURGE_KEPT);
}

static void a_full_list_of_prefixes_too(void **state)
{
    char prefix[16];

    (void)state;
    for (unsigned i = 1; i <= PURGES_PREFIXES_MOST * 3; i++) {
        (void)snprintf(prefix, sizeof(prefix), "p%u.", i);
        purge_prefix(prefix, i, true);
    }
    assert_true(purges_count(purges) <= PURGES_PREFIXES_MOST + 1);
    for (unsigned i = 1; i <= PURGES_PREFIXES_MOST * 3; i++) {
        (void)snprintf(prefix, sizeof(prefix), "p%u.", i);
        assert_int_not_equal(judge(i - 1, prefix, 3), PURGE_KEPT);
    }
}

struct listed {
    unsigned count;
    uint64_t last;
    struct purges *copy;
};

static void list(const struct purge *purge, void *arg)
{
    struct listed *listed = arg;

    assert_true(purge->serial >= listed->last);
    listed->last = purge->serial;
    listed->count++;
    assert_true(purges_add(listed->copy, purge));
}

static void all_are_told_oldest_first(void **state)
{
    struct listed  listed = { .copy = purges_new() };
    struct purges *original = purges;

    (void)state;
    purge_label(7, 30, false);
    purge_label(7, 40, true);
    purge_prefix("p", 20, true);
    purge_prefix("q", 35, false);
    purge_all(10, false);
    purge_all(15, true);
    purges_each(purges, list, &listed);
    assert_int_equal(listed.count, 6);
    assert_int_equal(listed.last, 40);
    purges = listed.copy;
    assert_int_equal(judge(9, "k", 1), PURGE_GONE);
    assert_int_equal(judge(14, "k", 1), PURGE_STALE);
    assert_int_equal(judge(19, "pp", 1), PURGE_STALE);
    assert_int_equal(judge(34, "q", 1), PURGE_GONE);
    assert_int_equal(judge(29, "k", 7), PURGE_GONE);
    assert_int_equal(judge(39, "k", 7), PURGE_STALE);
    assert_int_equal(judge(40, "k", 7), PURGE_KEPT);
    purges_free(&purges);
    purges = original;
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_label_concerns_what_was_stored_before),
        FRESH(soft_and_hard_stand_beside_each_other),
        FRESH(a_prefix_concerns_keys_that_begin_so),
        FRESH(an_object_is_looked_up_once_per_purge),
        FRESH(what_concerns_nobody_is_forgotten),
        FRESH(a_full_book_purges_more_rather_than_less),
        FRESH(a_full_list_of_prefixes_too),
        FRESH(all_are_told_oldest_first),
    };

    return cmocka_run_group_tests_name("cache/purges", tests, NULL, drain);
}
