// SPDX-License-Identifier: MIT
/* choose: which of several keys that fit is taken, what is kept, and maps that ask maps. */
#include "check.h"

#include <errno.h>

#include "expr/choose.h"

enum { SUBJECT_SLOT = 0, MAP_SLOT = 4 };

static struct choose *choose_on_slot(struct bench *bench, bool has_hostnames, bool is_volatile)
{
    return choose_new(bench->arena, compiled(bench, "$slot"), has_hostnames, is_volatile, MAP_SLOT);
}

static void add(struct bench *bench, struct choose *choose, const char *key, const char *value)
{
    assert_int_equal(choose_add(choose, text_from(key), compiled(bench, value)), 0);
}

static struct text ask(struct bench *bench, const struct choose *choose, const char *subject)
{
    struct variable variable = { .get = choose_get, .object = choose, .slot = MAP_SLOT };

    scope_set_slot(&bench->scope, SUBJECT_SLOT, text_from(subject));
    return choose_get(&bench->scope, &variable);
}

static void test_exact(void **state)
{
    struct bench  *bench = *state;
    struct choose *choose = choose_on_slot(bench, false, true);

    add(bench, choose, "One", "1$a");
    add(bench, choose, "", "empty");
    add(bench, choose, "*.x", "a star means nothing here");
    CHECK_TEXT(ask(bench, choose, "one"), "1A");
    CHECK_TEXT(ask(bench, choose, "ONE"), "1A");
    CHECK_TEXT(ask(bench, choose, ""), "empty");
    CHECK_TEXT(ask(bench, choose, "b.x"), "");
    assert_non_null(ask(bench, choose, "b.x").ptr);
    choose_set_default(choose, compiled(bench, "d$a"));
    CHECK_TEXT(ask(bench, choose, "two"), "dA");
    assert_int_equal(choose_add(choose, TEXT("oNE"), compiled(bench, "x")), -EEXIST);
}

static const struct { const char *host, *value; } hosts[] = {
    { "example.com", "exact" },
    { "EXAMPLE.COM", "exact" },
    { "example.com.", "exact" },
    { "a.example.com", "leading" },
    { "b.a.example.com", "leading" },
    { "x.long.example.com", "longer" },
    { "www.example.net", "trailing" },
    { "www.dev.example.net", "longer trailing" },
    { "www.example.com", "leading" },
    { "dotted.org", "dotted" },
    { "a.dotted.org", "dotted" },
    { "xdotted.org", "otherwise" },
    { ".example.com", "otherwise" },
    { "www.", "otherwise" },
    { "regex42", "42" },
    { "", "otherwise" },
};

static void test_hostnames(void **state)
{
    struct bench  *bench = *state;
    struct choose *choose = choose_on_slot(bench, true, true);
    struct text    message;
    const struct regex *regex;

    add(bench, choose, "example.com", "exact");
    add(bench, choose, "*.example.com", "leading");
    add(bench, choose, "*.long.example.com", "longer");
    add(bench, choose, "www.*", "trailing");
    add(bench, choose, "www.dev.*", "longer trailing");
    add(bench, choose, ".dotted.org", "dotted");
    assert_int_equal(regex_compile(bench->arena, TEXT("^regex(\\d+)$"), false, NULL, &regex, &message),
                     0);
    choose_add_regex(choose, regex, compiled(bench, "$1"));
    choose_set_default(choose, compiled(bench, "otherwise"));
    for (size_t i = 0; i < COUNT_OF(hosts); i++)
        if (!text_is_equal(ask(bench, choose, hosts[i].host), text_from(hosts[i].value)))
            fail_msg("\"%s\" is not \"%s\" but \"%.*s\"", hosts[i].host, hosts[i].value,
                     TEXT_ARGS(ask(bench, choose, hosts[i].host)));
}

static void test_regexes_in_order(void **state)
{
    struct bench       *bench = *state;
    struct choose      *choose = choose_on_slot(bench, false, true);
    const struct regex *first, *second;
    struct text         message;

    assert_int_equal(regex_compile(bench->arena, TEXT("^a"), false, NULL, &first, &message), 0);
    assert_int_equal(regex_compile(bench->arena, TEXT("b$"), false, NULL, &second, &message), 0);
    choose_add_regex(choose, first, compiled(bench, "first"));
    choose_add_regex(choose, second, compiled(bench, "second"));
    add(bench, choose, "axb", "exact");
    CHECK_TEXT(ask(bench, choose, "ab"), "first");
    CHECK_TEXT(ask(bench, choose, "xb"), "second");
    CHECK_TEXT(ask(bench, choose, "axb"), "exact");
}

/* Asked once per request, unless it is volatile. */
static void test_is_kept(void **state)
{
    struct bench  *bench = *state;
    struct choose *kept = choose_on_slot(bench, false, false);

    add(bench, kept, "1", "one");
    CHECK_TEXT(ask(bench, kept, "1"), "one");
    CHECK_TEXT(ask(bench, kept, "2"), "one");
}

static void test_begins_anew(void **state)
{
    struct bench  *bench = *state;
    struct choose *choose = choose_on_slot(bench, false, true);

    add(bench, choose, "1", "one");
    choose_begin(choose, compiled(bench, "$slot"), false, true);
    CHECK_TEXT(ask(bench, choose, "1"), "");
    add(bench, choose, "1", "uno");
    CHECK_TEXT(ask(bench, choose, "1"), "uno");
}

static struct choose *cycle;

static bool find_cycle(struct names *names, struct text name, struct variable *ret_variable)
{
    (void)names, (void)name;
    *ret_variable = (struct variable){ .get = choose_get, .object = cycle, .slot = MAP_SLOT };
    return true;
}

/* A map whose value is itself ends, empty. */
static void test_cycle_ends(void **state)
{
    struct bench          *bench = *state;
    struct names           names = { .find = find_cycle };
    const struct template *itself;
    struct text            message;

    cycle = choose_on_slot(bench, false, true);
    assert_int_equal(template_compile(bench->arena, TEXT("$itself"), &names, &itself, &message), 0);
    choose_set_default(cycle, itself);
    CHECK_TEXT(ask(bench, cycle, "x"), "");
    assert_int_equal(bench->scope.depth, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_exact),    WITH_BENCH(test_hostnames),   WITH_BENCH(test_regexes_in_order),
        WITH_BENCH(test_is_kept),  WITH_BENCH(test_begins_anew), WITH_BENCH(test_cycle_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
