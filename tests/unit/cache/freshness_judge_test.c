// SPDX-License-Identifier: MIT
/* freshness_judge: fresh, stale by whose leave, or the origin first (RFC 9111 4, 4.2.4, 5.2.1, RFC
 * 5861). Every answer here is fresh for 100 seconds. */
#include "check.h"

#include "cache/freshness.h"

enum { MUST = OBJECT_MUST_REVALIDATE, ASK = OBJECT_NO_CACHE, TAG = OBJECT_HAS_VALIDATOR };
/* The policies: nothing; use_stale error; use_stale updating; both. Each for 50 seconds. */
enum { NONE, ERRORS, UPDATING, BOTH };
/* What may be served on errors: for all of them, for those that the configuration names. */
enum { NO = 0, ALL = 1, NAMED = 2 };

struct row {
    int64_t     age_s;
    uint32_t    flags, stale_revalidate_s, stale_error_s;
    const char *asked;
    int         policy;
    enum judged judged;
    int         on_error;
};

static struct judgement judge(struct arena *arena, const struct row *row, bool is_purged)
{
    struct object_facts facts = { .lifetime_s = 100, .flags = row->flags,
                                  .stale_revalidate_s = row->stale_revalidate_s,
                                  .stale_error_s = row->stale_error_s };
    struct stale_policy policy = { .most_s = 50, .is_on_error = row->policy & ERRORS,
                                   .is_while_updating = row->policy & UPDATING };
    struct fields        fields;
    struct cache_control asked;

    fields_init(&fields, arena, 1);
    fields_add_id(&fields, FIELD_CACHE_CONTROL, text_from(row->asked));
    asked = cache_control_of_request(&fields, arena);
    return freshness_judge(&facts, row->age_s, is_purged, row->asked[0] != '\0' ? &asked : NULL,
                           &policy);
}

static void check_rows(struct arena *arena, const struct row *rows, size_t count, bool is_purged)
{
    for (size_t i = 0; i < count; i++) {
        struct judgement judgement = judge(arena, &rows[i], is_purged);
        int on_error = (judgement.is_for_errors ? ALL : 0) | (judgement.is_for_named_errors ? NAMED : 0);
        if (judgement.judged != rows[i].judged || on_error != rows[i].on_error)
            fail_msg("row %zu (age %lld, \"%s\"): judged %d, on errors %d", i, (long long)rows[i].age_s,
                     rows[i].asked, (int)judgement.judged, on_error);
        assert_int_equal(judgement.age_s, rows[i].age_s);
        assert_int_equal(judgement.stale_s, rows[i].age_s > 100 ? rows[i].age_s - 100 : 0);
        assert_int_equal(judgement.is_fresh, rows[i].age_s < 100 && !(rows[i].flags & ASK) && !is_purged);
    }
}

#define CHECK_ROWS(rows) check_rows(*state, rows, COUNT_OF(rows), false)

/* RFC 9111 4.2: fresh as long as the lifetime is larger than the age. */
static void fresh_or_not(void **state)
{
    static const struct row rows[] = {
        { 0, TAG, 0, 0, "", NONE, JUDGED_FRESH, ALL | NAMED },
        { 99, 0, 0, 0, "", NONE, JUDGED_FRESH, ALL | NAMED },
        { 99, MUST, 0, 0, "", NONE, JUDGED_FRESH, ALL | NAMED },
        { 100, TAG, 0, 0, "", NONE, JUDGED_VALIDATE, NO },
        { 100, 0, 0, 0, "", NONE, JUDGED_UNUSABLE, NO },
        { CACHE_SECONDS_MAX, TAG, 0, 0, "", NONE, JUDGED_VALIDATE, NO },
    };

    CHECK_ROWS(rows);
}

/* RFC 9111 5.2.2.4: never without asking, whatever else allows. */
static void no_cache_is_always_asked(void **state)
{
    static const struct row rows[] = {
        { 0, ASK | TAG, 0, 0, "", NONE, JUDGED_VALIDATE, NO },
        { 0, ASK, 0, 0, "", BOTH, JUDGED_UNUSABLE, NO },
        { 100, ASK | TAG, 0, 0, "max-stale", BOTH, JUDGED_VALIDATE, NO },
        { 100, ASK | TAG, 9, 9, "stale-if-error=9", BOTH, JUDGED_VALIDATE, NO },
    };

    CHECK_ROWS(rows);
}

/* RFC 9111 5.2.1 */
static void what_the_client_asks_of_a_fresh_one(void **state)
{
    static const struct row rows[] = {
        { 49, TAG, 0, 0, "max-age=50", NONE, JUDGED_FRESH, ALL | NAMED },
        { 50, TAG, 0, 0, "max-age=50", NONE, JUDGED_STALE_ON_ERROR, ALL | NAMED },
        { 0, TAG, 0, 0, "max-age=1", NONE, JUDGED_FRESH, ALL | NAMED },
        { 0, TAG, 0, 0, "max-age=0", NONE, JUDGED_STALE_ON_ERROR, ALL | NAMED },
        { 51, TAG, 0, 0, "max-age=50, max-stale=60", NONE, JUDGED_STALE_ON_ERROR, ALL | NAMED },
        { 90, TAG, 0, 0, "min-fresh=10", NONE, JUDGED_FRESH, ALL | NAMED },
        { 91, TAG, 0, 0, "min-fresh=10", NONE, JUDGED_STALE_ON_ERROR, ALL | NAMED },
        { 0, TAG, 0, 0, "min-fresh=99999999999", NONE, JUDGED_STALE_ON_ERROR, ALL | NAMED },
        { 0, TAG, 0, 0, "no-cache", BOTH, JUDGED_VALIDATE, NO },
        { 0, 0, 0, 0, "no-cache", BOTH, JUDGED_UNUSABLE, NO },
        { 0, TAG, 0, 0, "no-store", NONE, JUDGED_FRESH, ALL | NAMED },
        { 0, TAG, 0, 0, "only-if-cached", NONE, JUDGED_FRESH, ALL | NAMED },
        { 51, MUST | TAG, 0, 0, "max-age=50", NONE, JUDGED_STALE_ON_ERROR, ALL | NAMED },
    };

    CHECK_ROWS(rows);
}

/* RFC 9111 5.2.1.2, bounded by the policy's 50 seconds. */
static void max_stale(void **state)
{
    static const struct row rows[] = {
        { 100, TAG, 0, 0, "max-stale=0", NONE, JUDGED_STALE_ACCEPTED, NO },
        { 110, TAG, 0, 0, "max-stale=10", NONE, JUDGED_STALE_ACCEPTED, NO },
        { 111, TAG, 0, 0, "max-stale=10", NONE, JUDGED_VALIDATE, NO },
        { 150, 0, 0, 0, "max-stale", NONE, JUDGED_STALE_ACCEPTED, NO },
        { 151, 0, 0, 0, "max-stale", NONE, JUDGED_UNUSABLE, NO },
        { 110, MUST | TAG, 0, 0, "max-stale", NONE, JUDGED_VALIDATE, NO },
        { 110, TAG, 0, 0, "max-stale, max-age=111", NONE, JUDGED_STALE_ACCEPTED, NO },
        { 110, TAG, 0, 0, "max-stale, max-age=110", NONE, JUDGED_VALIDATE, NO },
        { 110, TAG, 0, 0, "max-stale, min-fresh=1", NONE, JUDGED_VALIDATE, NO },
        { 110, TAG, 0, 0, "max-stale, no-cache", NONE, JUDGED_VALIDATE, NO },
        { 110, TAG, 0, 0, "max-stale=x", NONE, JUDGED_VALIDATE, NO },
    };

    CHECK_ROWS(rows);
}

/* RFC 5861 3 */
static void stale_while_revalidate(void **state)
{
    static const struct row rows[] = {
        { 100, TAG, 10, 0, "", NONE, JUDGED_STALE_REVALIDATING, NO },
        { 110, 0, 10, 0, "", NONE, JUDGED_STALE_REVALIDATING, NO },
        { 111, TAG, 10, 0, "", NONE, JUDGED_VALIDATE, NO },
        { 1100, TAG, 1000, 0, "", NONE, JUDGED_STALE_REVALIDATING, NO },
        { 110, TAG, 10, 0, "max-age=200", NONE, JUDGED_VALIDATE, NO },
        { 110, TAG, 10, 0, "min-fresh=0", NONE, JUDGED_VALIDATE, NO },
        { 110, TAG, 10, 0, "no-cache", NONE, JUDGED_VALIDATE, NO },
        { 105, TAG, 10, 0, "max-stale=3", NONE, JUDGED_STALE_REVALIDATING, NO },
        { 103, TAG, 10, 0, "max-stale=3", NONE, JUDGED_STALE_ACCEPTED, NO },
        /* s-maxage beside it, see freshness.c: its own leave, nobody else's. */
        { 105, MUST | TAG, 10, 0, "", BOTH, JUDGED_STALE_REVALIDATING, NO },
        { 111, MUST | TAG, 10, 0, "max-stale", BOTH, JUDGED_VALIDATE, NO },
    };

    CHECK_ROWS(rows);
}

/* RFC 5861 4, of answers and of requests. */
static void stale_if_error(void **state)
{
    static const struct row rows[] = {
        { 100, TAG, 0, 10, "", NONE, JUDGED_STALE_ON_ERROR, ALL },
        { 110, 0, 0, 10, "", NONE, JUDGED_STALE_ON_ERROR, ALL },
        { 111, TAG, 0, 10, "", NONE, JUDGED_VALIDATE, NO },
        { 1100, TAG, 0, 1000, "", NONE, JUDGED_STALE_ON_ERROR, ALL },
        { 110, TAG, 0, 0, "stale-if-error=10", NONE, JUDGED_STALE_ON_ERROR, ALL },
        { 111, TAG, 0, 0, "stale-if-error=10", NONE, JUDGED_VALIDATE, NO },
        { 151, TAG, 0, 0, "stale-if-error=1000", NONE, JUDGED_VALIDATE, NO },
        { 110, MUST | TAG, 0, 0, "stale-if-error=10", NONE, JUDGED_VALIDATE, NO },
        { 110, MUST | TAG, 0, 10, "", NONE, JUDGED_STALE_ON_ERROR, ALL },
        { 110, TAG, 0, 10, "no-cache", NONE, JUDGED_VALIDATE, NO },
        { 110, TAG, 0, 10, "max-age=0", NONE, JUDGED_STALE_ON_ERROR, ALL },
        { 105, TAG, 10, 10, "", NONE, JUDGED_STALE_REVALIDATING, ALL },
    };

    CHECK_ROWS(rows);
}

/* RFC 9111 4.2.4: "configuration in accordance with an out-of-band contract", for 50 seconds. */
static void what_the_configuration_allows(void **state)
{
    static const struct row rows[] = {
        { 150, TAG, 0, 0, "", ERRORS, JUDGED_STALE_ON_ERROR, NAMED },
        { 151, TAG, 0, 0, "", ERRORS, JUDGED_VALIDATE, NO },
        { 150, TAG, 0, 0, "", UPDATING, JUDGED_STALE_UPDATING, NO },
        { 151, TAG, 0, 0, "", UPDATING, JUDGED_VALIDATE, NO },
        { 150, 0, 0, 0, "", BOTH, JUDGED_STALE_UPDATING, NAMED },
        { 110, MUST | TAG, 0, 0, "", BOTH, JUDGED_VALIDATE, NO },
        { 110, TAG, 10, 0, "", BOTH, JUDGED_STALE_REVALIDATING, NAMED },
        { 110, TAG, 0, 10, "", BOTH, JUDGED_STALE_UPDATING, ALL | NAMED },
        { 110, TAG, 0, 0, "max-age=200", BOTH, JUDGED_STALE_ON_ERROR, NAMED },
    };

    CHECK_ROWS(rows);
}

static void purged_is_stale_at_any_age(void **state)
{
    static const struct row rows[] = {
        { 0, TAG, 0, 0, "", NONE, JUDGED_VALIDATE, NO },
        { 0, 0, 0, 0, "", NONE, JUDGED_UNUSABLE, NO },
        { 0, TAG, 10, 10, "", NONE, JUDGED_STALE_REVALIDATING, ALL },
        { 0, TAG, 0, 0, "", BOTH, JUDGED_STALE_UPDATING, NAMED },
        { 0, TAG, 0, 0, "max-stale", NONE, JUDGED_STALE_ACCEPTED, NO },
        { 0, MUST | TAG, 0, 0, "max-stale", BOTH, JUDGED_VALIDATE, NO },
    };

    check_rows(*state, rows, COUNT_OF(rows), true);
}

/* RFC 9111 5.2.1.7 */
static void who_needs_the_origin(void **state)
{
    (void)state;
    assert_false(freshness_needs_origin(JUDGED_FRESH));
    assert_false(freshness_needs_origin(JUDGED_STALE_ACCEPTED));
    assert_false(freshness_needs_origin(JUDGED_STALE_REVALIDATING));
    assert_false(freshness_needs_origin(JUDGED_STALE_UPDATING));
    assert_true(freshness_needs_origin(JUDGED_STALE_ON_ERROR));
    assert_true(freshness_needs_origin(JUDGED_VALIDATE));
    assert_true(freshness_needs_origin(JUDGED_UNUSABLE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(fresh_or_not),
        WITH_ARENA(no_cache_is_always_asked),
        WITH_ARENA(what_the_client_asks_of_a_fresh_one),
        WITH_ARENA(max_stale),
        WITH_ARENA(stale_while_revalidate),
        WITH_ARENA(stale_if_error),
        WITH_ARENA(what_the_configuration_allows),
        WITH_ARENA(purged_is_stale_at_any_age),
        cmocka_unit_test(who_needs_the_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
