// SPDX-License-Identifier: MIT
/* cache_words: what `frontdesk cache` can be asked for. */
#include "base/unit.h"

#include <errno.h>

#include "main/cache_words.h"

enum { WORDS_MOST = 80 };

static struct arena     *arena;
static struct cache_wish wish;
static struct text       message;

static int begin(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static int read_words(enum cache_verb verb, const char *const strings[])
{
    struct text words[WORDS_MOST];
    unsigned    count = 0;

    while (strings[count] != NULL) {
        words[count] = text_from(strings[count]);
        count++;
    }
    return cache_words_read(verb, words, count, arena, &wish, &message);
}

#define READ(verb, ...) read_words(verb, (const char *const[]){ __VA_ARGS__, NULL })
#define assert_refused(sentence, verb, ...)                     \
    do {                                                        \
        assert_int_equal(READ(verb, __VA_ARGS__), -EINVAL);     \
        CHECK_TEXT(message, sentence);                         \
    } while (0)
#define assert_target(kind, literal, ...)                       \
    do {                                                        \
        assert_int_equal(READ(CACHE_PURGE, __VA_ARGS__), 0);    \
        assert_int_equal(wish.target, kind);                    \
        CHECK_TEXT(wish.value, literal);                       \
    } while (0)

static void each_target(void **state)
{
    (void)state;
    assert_target(CACHE_URL, "http://h/a?b", "http://h/a?b");
    assert_target(CACHE_URL, "HTTPS://h", "HTTPS://h");
    assert_target(CACHE_URL_PREFIX, "http://h/a", "http://h/a*");
    assert_target(CACHE_URL, "http://h/*a", "http://h/*a");
    assert_target(CACHE_KEY, "any thing", "--key", "any thing");
    assert_target(CACHE_KEY_PREFIX, "any", "--key", "any*");
    assert_target(CACHE_KEY_PREFIX, "", "--key", "*");
    assert_target(CACHE_TAG, "t*", "--tag", "t*");
    assert_target(CACHE_HOST, "h", "--host", "h");
    assert_target(CACHE_ALL, "--all", "--all");
}

static void options_stand_anywhere(void **state)
{
    (void)state;
    assert_int_equal(READ(CACHE_PURGE, "--soft", "http://h/", "--zone", "z"), 0);
    assert_true(wish.is_soft);
    CHECK_TEXT(wish.zone, "z");
    assert_int_equal(READ(CACHE_PURGE, "--zone", "--soft", "--all"), 0);
    CHECK_TEXT(wish.zone, "--soft");
    assert_false(wish.is_soft);
    assert_int_equal(read_words(CACHE_STAT, (const char *const[]){ NULL }), 0);
    assert_int_equal(wish.zone.len, 0);
}

static void fields_of_a_request(void **state)
{
    const char *many[WORDS_MOST] = { "http://h/" };

    (void)state;
    assert_int_equal(
        READ(CACHE_SHOW, "http://h/", "-H", "Accept: a, b", "-H", "x-y:", "-H", "Z:\t1 "), 0);
    assert_int_equal(wish.field_count, 3);
    CHECK_TEXT(wish.fields[0].name, "Accept");
    CHECK_TEXT(wish.fields[0].value, "a, b");
    CHECK_TEXT(wish.fields[1].value, "");
    CHECK_TEXT(wish.fields[2].value, "1");
    for (unsigned i = 0; i <= CACHE_FIELDS_MOST; i++) {
        many[2 * i + 1] = "-H";
        many[2 * i + 2] = "a: b";
    }
    assert_int_equal(read_words(CACHE_SHOW, many), -EINVAL);
    CHECK_TEXT(message, "too many fields");
    many[2 * CACHE_FIELDS_MOST + 1] = NULL;
    assert_int_equal(read_words(CACHE_SHOW, many), 0);
}

static void mistakes(void **state)
{
    (void)state;
    assert_refused("one target is enough: \"b\" is another", CACHE_PURGE, "--tag", "a", "--host", "b");
    assert_refused("\"--tag\" requires a value", CACHE_PURGE, "--tag");
    assert_refused("\"--tag\" requires a value", CACHE_PURGE, "--tag", "");
    assert_refused("\"/a\" is no URL: it begins with http://HOST or https://HOST", CACHE_PURGE, "/a");
    assert_refused("\"http://\" is no URL: it begins with http://HOST or https://HOST", CACHE_PURGE,
                   "http://");
    assert_refused("\"http:///a\" is no URL: it begins with http://HOST or https://HOST", CACHE_PURGE,
                   "http:///a");
    assert_refused("\"http://h/#a\": servers never see a fragment (#)", CACHE_PURGE, "http://h/#a");
    assert_refused("unknown option \"--sofd\"; did you mean \"--soft\"?", CACHE_PURGE, "--sofd");
    assert_refused("unknown option \"--nothing\"", CACHE_PURGE, "--nothing");
    assert_refused("unknown option \"--soft\"", CACHE_SHOW, "--soft");
    assert_refused("\"a b: c\" is no field: Name: value", CACHE_SHOW, "-H", "a b: c");
    assert_refused("\": c\" is no field: Name: value", CACHE_SHOW, "-H", ": c");
    assert_refused("one URL can be shown, no prefix", CACHE_SHOW, "http://h/*");
    assert_refused("show what? A URL or --key", CACHE_SHOW, "--zone", "z");
    assert_refused("purge what? A URL, 'PREFIX*', --tag, --host, --key or --all", CACHE_PURGE,
                   "--soft");
    assert_refused("\"a\" is too much here", CACHE_STAT, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_target),
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(fields_of_a_request),
        cmocka_unit_test(mistakes),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
