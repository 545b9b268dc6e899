// SPDX-License-Identifier: MIT
/* regex: captures, names, faults, and patterns that want to run for ever. */
#include "check.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "expr/regex.h"

enum { PATIENCE_MS = 2000 };

static unsigned find_slot(struct slots *slots, struct text name)
{
    (void)slots;
    return name.ptr[0] == 'a' ? 1 : 2;
}

static struct slots slots = { .find = find_slot };

static const struct regex *pattern(struct bench *bench, const char *text, bool is_nocase)
{
    const struct regex *regex = NULL;
    struct text         message = TEXT("");

    if (regex_compile(bench->arena, text_from(text), is_nocase, &slots, &regex, &message) != 0)
        fail_msg("%s: %.*s", text, TEXT_ARGS(message));
    return regex;
}

static void test_match(void **state)
{
    struct bench *bench = *state;

    assert_true(regex_match(pattern(bench, "^/a", false), TEXT("/abc"), NULL));
    assert_false(regex_match(pattern(bench, "^/a", false), TEXT("/Abc"), NULL));
    assert_true(regex_match(pattern(bench, "^/a", true), TEXT("/Abc"), NULL));
    assert_true(regex_match(pattern(bench, "^$", false), TEXT(""), NULL));
    assert_true(regex_match(pattern(bench, "^$", false), TEXT_NONE, NULL));
    assert_true(regex_match(pattern(bench, "a.b", false), text_of("a\0b", 3), NULL));
    CHECK_TEXT(regex_pattern(pattern(bench, "^/a", false)), "^/a");
}

static void test_captures(void **state)
{
    struct bench *bench = *state;

    bench->scope.captures[5] = TEXT("old");
    assert_true(regex_match(pattern(bench, "^/(\\w+)/(x)?(?<a>\\d+)(?<b>y)?", false),
                            TEXT("/user/42/z"), &bench->scope));
    CHECK_TEXT(bench->scope.captures[0], "/user/42");
    CHECK_TEXT(bench->scope.captures[1], "user");
    CHECK_TEXT(bench->scope.captures[2], "");
    CHECK_TEXT(bench->scope.captures[3], "42");
    assert_null(bench->scope.captures[5].ptr);
    CHECK_TEXT(bench->slots[1], "42");
    CHECK_TEXT(bench->slots[2], "");
    assert_non_null(bench->slots[2].ptr);
}

/* What does not match leaves everything as it was. */
static void test_no_match_keeps(void **state)
{
    struct bench *bench = *state;

    bench->scope.captures[1] = TEXT("old");
    assert_false(regex_match(pattern(bench, "^(?<a>x)", false), TEXT("y"), &bench->scope));
    CHECK_TEXT(bench->scope.captures[1], "old");
    assert_null(bench->slots[1].ptr);
}

/* More groups than a scope keeps. */
static void test_many_groups(void **state)
{
    struct bench *bench = *state;

    assert_true(regex_match(pattern(bench, "(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(?<a>.)", false),
                            TEXT("0123456789z"), &bench->scope));
    CHECK_TEXT(bench->scope.captures[9], "8");
    CHECK_TEXT(bench->slots[1], "z");
}

static void test_faults(void **state)
{
    struct bench       *bench = *state;
    const struct regex *regex = NULL;
    struct text         message;

    assert_int_equal(regex_compile(bench->arena, TEXT("("), false, NULL, &regex, &message), -EINVAL);
    CHECK_TEXT(message, "pcre2_compile() failed: missing closing parenthesis in \"(\"");
    assert_int_equal(regex_compile(bench->arena, TEXT("a)b"), false, NULL, &regex, &message),
                     -EINVAL);
    CHECK_TEXT(message, "pcre2_compile() failed: unmatched closing parenthesis in \"a)b\" at \")b\"");
    assert_null(regex);
}

static void test_runaway_ends(void **state)
{
    struct bench *bench = *state;
    char          subject[4096];
    int64_t       start = clock_mono_ms();

    for (size_t i = 0; i < sizeof(subject); i++)
        subject[i] = 'a';
    subject[sizeof(subject) - 1] = '!';
    assert_false(regex_match(pattern(bench, "^(a+)+$", false), text_of(subject, sizeof(subject)),
                             NULL));
    assert_false(regex_match(pattern(bench, "^(?:a|a?)+b$", false),
                             text_of(subject, sizeof(subject)), NULL));
    assert_true(clock_mono_ms() - start < PATIENCE_MS);
}

static void *match_elsewhere(void *regex)
{
    return regex_match(regex, TEXT("/x"), NULL) ? regex : NULL;
}

static void test_threads_share(void **state)
{
    struct bench       *bench = *state;
    const struct regex *regex = pattern(bench, "^/(x)", false);
    pthread_t           threads[4];
    void               *result;

    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, match_elsewhere, (void *)regex), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, regex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_match),         WITH_BENCH(test_captures),
        WITH_BENCH(test_no_match_keeps), WITH_BENCH(test_many_groups),
        WITH_BENCH(test_faults),        WITH_BENCH(test_runaway_ends),
        WITH_BENCH(test_threads_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
