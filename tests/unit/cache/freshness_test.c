// SPDX-License-Identifier: MIT
/* freshness: lifetime, age and what else is known of an answer, rule by rule. All answers come at
 * NOW_DATE. */
#include "answers.h"

struct lifetime {
    const char           *answer;
    int64_t               lifetime_s;
    enum freshness_source source;
};

static void check_lifetimes(struct arena *arena, const struct lifetime *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct scene scene = scene_of(arena, 200, "", rows[i].answer);
        (void)decide(&scene);
        if (scene.freshness.facts.lifetime_s != rows[i].lifetime_s ||
            scene.freshness.source != rows[i].source)
            fail_msg("%s: %u seconds by %d", rows[i].answer, scene.freshness.facts.lifetime_s,
                     (int)scene.freshness.source);
    }
}

#define CHECK_LIFETIMES(rows) check_lifetimes(*state, rows, COUNT_OF(rows))

/* RFC 9111 4.2.1, RFC 9213 2.2, and X-Accel-Expires in front. */
static void the_nearest_says_how_long(void **state)
{
    static const struct lifetime rows[] = {
        { "Cache-Control: max-age=60", 60, FRESHNESS_BY_MAX_AGE },
        { "Cache-Control: max-age=60, s-maxage=5", 5, FRESHNESS_BY_S_MAXAGE },
        { "Cache-Control: s-maxage=500, max-age=6", 500, FRESHNESS_BY_S_MAXAGE },
        { "Cache-Control: max-age=60\nExpires: Sun, 06 Nov 1994 08:49:47 GMT", 60, FRESHNESS_BY_MAX_AGE },
        { "Cache-Control: max-age=x\nExpires: Sun, 06 Nov 1994 08:49:47 GMT", 0, FRESHNESS_BY_MAX_AGE },
        { "Cache-Control: public\nExpires: Sun, 06 Nov 1994 08:49:47 GMT", 10, FRESHNESS_BY_EXPIRES },
        { "CDN-Cache-Control: max-age=7\nCache-Control: s-maxage=60", 7, FRESHNESS_BY_MAX_AGE },
        { "CDN-Cache-Control: max-age=7, s-maxage=8", 8, FRESHNESS_BY_S_MAXAGE },
        { "CDN-Cache-Control: foo\nCache-Control: s-maxage=60\nExpires: Sun, 06 Nov 1994 08:49:47 GMT", 0,
          FRESHNESS_BY_NOBODY },
        { "CDN-Cache-Control: max-age=7,\nCache-Control: s-maxage=60", 60, FRESHNESS_BY_S_MAXAGE },
        { "Surrogate-Control: max-age=7\nCache-Control: max-age=60", 60, FRESHNESS_BY_MAX_AGE },
        { "X-Accel-Expires: 9\nCDN-Cache-Control: max-age=7", 9, FRESHNESS_BY_ACCEL },
        { "", 0, FRESHNESS_BY_NOBODY },
    };

    CHECK_LIFETIMES(rows);
}

/* RFC 9111 5.3, 4.2.1 */
static void expires_counts_from_date(void **state)
{
    static const struct lifetime rows[] = {
        { "Expires: Sun, 06 Nov 1994 08:49:38 GMT", 1, FRESHNESS_BY_EXPIRES },
        { "Expires: Sun, 06 Nov 1994 08:49:37 GMT", 0, FRESHNESS_BY_EXPIRES },
        { "Expires: Sun, 06 Nov 1994 08:00:00 GMT", 0, FRESHNESS_BY_EXPIRES },
        { "Expires: Sunday, 06-Nov-94 08:49:38 GMT", 1, FRESHNESS_BY_EXPIRES },
        { "Expires: Sun Nov  6 08:49:38 1994", 1, FRESHNESS_BY_EXPIRES },
        { "Expires: 0", 0, FRESHNESS_BY_EXPIRES }, { "Expires: -1", 0, FRESHNESS_BY_EXPIRES },
        { "Expires:", 0, FRESHNESS_BY_EXPIRES },
        { "Expires: Sun, 06 Nov 1994 08:49:38 CET", 0, FRESHNESS_BY_EXPIRES },
        { "Expires: Fri, 31 Dec 9999 23:59:59 GMT", CACHE_SECONDS_MAX, FRESHNESS_BY_EXPIRES },
        { "Expires: Sun, 06 Nov 1994 08:49:39 GMT\nExpires: Sun, 06 Nov 1994 08:49:38 GMT", 1,
          FRESHNESS_BY_EXPIRES },
        { "Expires: Sun, 06 Nov 1994 08:49:39 GMT\nExpires: 0", 0, FRESHNESS_BY_EXPIRES },
        { "Expires: Sun, 06 Nov 1994 08:49:38 GMT\nExpires: Sun, 06 Nov 1994 08:49:39 GMT", 1,
          FRESHNESS_BY_EXPIRES },
        { "Date: Sun, 06 Nov 1994 08:49:00 GMT\nExpires: Sun, 06 Nov 1994 08:50:00 GMT", 60,
          FRESHNESS_BY_EXPIRES },
        { "Date: Sun, 06 Nov 2004 08:49:00 GMT\nExpires: Sun, 06 Nov 2004 08:50:00 GMT", 60,
          FRESHNESS_BY_EXPIRES },
        { "Date: nonsense\nExpires: Sun, 06 Nov 1994 08:49:38 GMT", 1, FRESHNESS_BY_EXPIRES },
    };

    CHECK_LIFETIMES(rows);
}

/* RFC 9111 4.2.2: a tenth, at most a day. */
static void the_heuristic_is_a_tenth(void **state)
{
    static const struct lifetime rows[] = {
        { "Last-Modified: Sun, 06 Nov 1994 08:47:57 GMT", 10, FRESHNESS_BY_HEURISTIC },
        { "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", 0, FRESHNESS_BY_HEURISTIC },
        { "Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT", 0, FRESHNESS_BY_NOBODY },
        { "Last-Modified: Thu, 27 Oct 1994 08:49:38 GMT", 86399, FRESHNESS_BY_HEURISTIC },
        { "Last-Modified: Thu, 27 Oct 1994 08:49:37 GMT", 86400, FRESHNESS_BY_HEURISTIC },
        { "Last-Modified: Sat, 27 Oct 1984 08:49:37 GMT", 86400, FRESHNESS_BY_HEURISTIC },
        { "Last-Modified: Sat, 01 Jan 0000 00:00:00 GMT", 86400, FRESHNESS_BY_HEURISTIC },
        { "Last-Modified: yesterday", 0, FRESHNESS_BY_NOBODY },
        { "Last-Modified: Sun, 06 Nov 1994 08:47:57 GMT\nExpires: 0", 0, FRESHNESS_BY_EXPIRES },
        { "Last-Modified: Sun, 06 Nov 1994 08:47:57 GMT\nCache-Control: max-age=", 0, FRESHNESS_BY_MAX_AGE },
    };
    struct scene scene;

    CHECK_LIFETIMES(rows);
    scene = scene_of(*state, 302, "", "Last-Modified: Sun, 06 Nov 1994 08:47:57 GMT");
    (void)decide(&scene);
    assert_int_equal(scene.freshness.source, FRESHNESS_BY_NOBODY);
    scene = scene_of(*state, 302, "",
                     "Last-Modified: Sun, 06 Nov 1994 08:47:57 GMT\nCache-Control: public");
    (void)decide(&scene);
    assert_int_equal(scene.freshness.source, FRESHNESS_BY_HEURISTIC);
    assert_int_equal(scene.freshness.facts.lifetime_s, 10);
    assert_int_equal(scene.freshness.facts.flags, OBJECT_HEURISTIC | OBJECT_HAS_VALIDATOR);
}

/* nginx: seconds, "@" and a time, 0, and whatever else is nothing. */
static void x_accel_expires(void **state)
{
    static const struct lifetime rows[] = {
        { "X-Accel-Expires: 5", 5, FRESHNESS_BY_ACCEL },
        { "X-Accel-Expires: 5\nAge: 100", 105, FRESHNESS_BY_ACCEL },
        { "X-Accel-Expires: @784111787", 10, FRESHNESS_BY_ACCEL },
        { "X-Accel-Expires: @784111776", 0, FRESHNESS_BY_ACCEL },
        { "X-Accel-Expires: 99999999999999999999999", CACHE_SECONDS_MAX, FRESHNESS_BY_ACCEL },
        { "X-Accel-Expires: @99999999999999999999999", CACHE_SECONDS_MAX, FRESHNESS_BY_ACCEL },
        { "X-Accel-Expires: off\nCache-Control: max-age=3", 3, FRESHNESS_BY_MAX_AGE },
        { "X-Accel-Expires: @\nCache-Control: max-age=3", 3, FRESHNESS_BY_MAX_AGE },
        { "X-Accel-Expires: -1\nCache-Control: max-age=3", 3, FRESHNESS_BY_MAX_AGE },
        { "X-Accel-Expires:\nCache-Control: max-age=3", 3, FRESHNESS_BY_MAX_AGE },
        { "X-Accel-Expires: 5s\nCache-Control: max-age=3", 3, FRESHNESS_BY_MAX_AGE },
    };
    struct scene scene;

    CHECK_LIFETIMES(rows);
    scene = scene_of(*state, 200, "", "X-Accel-Expires: 0\nCache-Control: max-age=3");
    assert_int_equal(decide(&scene), STORING_OFF);
    scene.policy.ignored = STORING_IGNORES_ACCEL_EXPIRES;
    assert_int_equal(decide(&scene), STORING_ALLOWED);
    assert_int_equal(scene.freshness.facts.lifetime_s, 3);
}

static void proxy_cache_valid_stands_before_the_heuristic(void **state)
{
    struct scene scene = scene_of(*state, 200, "", "Last-Modified: Sun, 06 Nov 1994 08:47:57 GMT\nAge: 3");

    scene.policy.valid_s = 60;
    assert_int_equal(decide(&scene), STORING_ALLOWED);
    assert_int_equal(scene.freshness.source, FRESHNESS_BY_VALID);
    assert_int_equal(scene.freshness.facts.lifetime_s, 63);
    scene.policy.valid_s = 0;
    assert_int_equal(decide(&scene), STORING_OFF);
    scene = scene_of(*state, 200, "", "Cache-Control: max-age=5");
    scene.policy.valid_s = 0;
    assert_int_equal(decide(&scene), STORING_ALLOWED);
    assert_int_equal(scene.freshness.facts.lifetime_s, 5);
}

static void what_is_ignored_says_nothing(void **state)
{
    struct scene scene = scene_of(*state, 200, "", "Cache-Control: max-age=5, no-store\n"
                                                   "Expires: Sun, 06 Nov 1994 08:49:47 GMT");

    assert_int_equal(decide(&scene), STORING_NO_STORE);
    scene.policy.ignored = STORING_IGNORES_CACHE_CONTROL;
    assert_int_equal(decide(&scene), STORING_ALLOWED);
    assert_int_equal(scene.freshness.facts.lifetime_s, 10);
    scene.policy.ignored |= STORING_IGNORES_EXPIRES;
    assert_int_equal(decide(&scene), STORING_USELESS);
    assert_int_equal(scene.freshness.source, FRESHNESS_BY_NOBODY);
}

struct age {
    const char *answer;
    int64_t     delay_ms;
    uint32_t    age_s;
};

/* RFC 9111 4.2.3, 5.1 */
static void initial_age(void **state)
{
    static const struct age rows[] = {
        { "", 0, 0 }, { "Date: " NOW_DATE, 0, 0 }, { "Date: Sun, 06 Nov 1994 08:49:30 GMT", 0, 7 },
        { "Date: Sun, 06 Nov 1994 08:50:00 GMT", 0, 0 }, { "Age: 5", 0, 5 },
        { "Age: 5\nDate: Sun, 06 Nov 1994 08:49:30 GMT", 0, 7 },
        { "Age: 9\nDate: Sun, 06 Nov 1994 08:49:30 GMT", 0, 9 },
        { "Age: 5", 2000, 7 }, { "Age: 5", 2999, 7 }, { "", 999, 0 }, { "", 1000, 1 }, { "Age: 5", -5000, 5 },
        { "Age: 5, 60", 0, 5 }, { "Age: 5\nAge: 60", 0, 5 }, { "Age:\nAge: 60", 0, 60 }, { "Age: , 8", 0, 8 },
        { "Age: x, 60", 0, 0 }, { "Age: -5", 0, 0 }, { "Age: 5.5", 0, 0 }, { "Age: \"5\"", 0, 0 },
        { "Age: 5 s", 0, 0 }, { "Age: 2147483647", 0, 2147483647u }, { "Age: 2147483648", 0, 2147483648u },
        { "Age: 99999999999999999999", 5000, 2147483648u }, { "Date: Sat, 01 Jan 0000 00:00:00 GMT", 0, 2147483648u },
        { "Date: nonsense", 0, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene = scene_of(*state, 200, "", rows[i].answer);
        scene.received.request_ms -= rows[i].delay_ms;
        (void)decide(&scene);
        if (scene.freshness.facts.initial_age_s != rows[i].age_s)
            fail_msg("%s: age %u", rows[i].answer, scene.freshness.facts.initial_age_s);
    }
}

static void age_grows_and_does_not_overflow(void **state)
{
    struct object_facts facts = { .initial_age_s = 5 };

    (void)state;
    assert_int_equal(freshness_age_s(&facts, 0), 5);
    assert_int_equal(freshness_age_s(&facts, 7), 12);
    assert_int_equal(freshness_age_s(&facts, -7), 5);
    assert_int_equal(freshness_age_s(&facts, INT64_MAX), CACHE_SECONDS_MAX);
    facts.initial_age_s = 1u << 31;
    assert_int_equal(freshness_age_s(&facts, 1), CACHE_SECONDS_MAX);
}

struct facts {
    const char *answer;
    uint32_t    flags, stale_revalidate_s, stale_error_s;
};

/* RFC 9111 5.2.2.2, 5.2.2.4, 5.2.2.8, 5.2.2.10, RFC 5861 */
static void flags_and_staleness(void **state)
{
    enum { MUST = OBJECT_MUST_REVALIDATE, ASK = OBJECT_NO_CACHE, TAG = OBJECT_HAS_VALIDATOR };
    static const struct facts rows[] = {
        { "Cache-Control: max-age=1", 0, 0, 0 }, { "Cache-Control: must-revalidate", MUST, 0, 0 },
        { "Cache-Control: proxy-revalidate", MUST, 0, 0 }, { "Cache-Control: s-maxage=5", MUST, 0, 0 },
        { "Cache-Control: no-cache", ASK, 0, 0 }, { "Cache-Control: no-cache=\"X\"", 0, 0, 0 },
        { "Cache-Control: stale-while-revalidate=3, stale-if-error=4", 0, 3, 4 },
        { "Cache-Control: stale-while-revalidate=x, stale-if-error=", 0, 0, 0 },
        { "Cache-Control: stale-while-revalidate=3, stale-if-error=4, must-revalidate", MUST, 0, 0 },
        { "Cache-Control: stale-while-revalidate=3, stale-if-error=4, proxy-revalidate", MUST, 0, 0 },
        { "Cache-Control: stale-while-revalidate=3, stale-if-error=4, no-cache", ASK, 0, 0 },
        { "Cache-Control: stale-while-revalidate=3, stale-if-error=4, s-maxage=1", MUST, 3, 4 },
        { "ETag: \"a\"", TAG, 0, 0 }, { "ETag: W/\"a\"", TAG, 0, 0 }, { "ETag: a", 0, 0, 0 },
        { "Last-Modified: " NOW_DATE, TAG | OBJECT_HEURISTIC, 0, 0 }, { "Last-Modified: x", 0, 0, 0 },
        { "CDN-Cache-Control: max-age=1\nCache-Control: no-cache, must-revalidate", 0, 0, 0 },
        { "X-Accel-Expires: 5\nCache-Control: no-cache, must-revalidate", MUST, 0, 0 },
        { "X-Accel-Expires: @5\nCache-Control: no-cache", ASK, 0, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene               scene = scene_of(*state, 200, "", rows[i].answer);
        const struct object_facts *facts = &scene.freshness.facts;
        (void)decide(&scene);
        CHECK_CASE(facts->flags == rows[i].flags, rows[i].answer);
        CHECK_CASE(facts->stale_revalidate_s == rows[i].stale_revalidate_s, rows[i].answer);
        CHECK_CASE(facts->stale_error_s == rows[i].stale_error_s, rows[i].answer);
    }
}

static void facts_of_the_moment(void **state)
{
    struct scene scene = scene_of(*state, 404, "", "Date: Sun, 06 Nov 1994 08:49:30 GMT");

    (void)decide(&scene);
    assert_int_equal(scene.freshness.facts.status, 404);
    assert_int_equal(scene.freshness.facts.date_s, NOW_S - 7);
    assert_int_equal(scene.freshness.facts.response_ms, NOW_S * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(the_nearest_says_how_long),
        WITH_ARENA(expires_counts_from_date),
        WITH_ARENA(the_heuristic_is_a_tenth),
        WITH_ARENA(x_accel_expires),
        WITH_ARENA(proxy_cache_valid_stands_before_the_heuristic),
        WITH_ARENA(what_is_ignored_says_nothing),
        WITH_ARENA(initial_age),
        cmocka_unit_test(age_grows_and_does_not_overflow),
        WITH_ARENA(flags_and_staleness),
        WITH_ARENA(facts_of_the_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
