// SPDX-License-Identifier: MIT
/* template: what is a variable, what is not, and what comes of it. */
#include "check.h"

#include <errno.h>

static const struct { const char *source, *value; } values[] = {
    { "", "" },
    { "plain", "plain" },
    { "$a", "A" },
    { "${a}", "A" },
    { "$A", "A" },
    { "x$a", "xA" },
    { "$a.x", "A.x" },
    { "${a}x", "Ax" },
    { "$a$a", "AA" },
    { "$none", "" },
    { "[$none]", "[]" },
    { "$a-$long-${a}", "A-0123456789012345678901234567890123456789-A" },
    { "$1", "one" },
    { "${1}0", "one0" },
    { "$12", "one2" },
    { "$9", "" },
    { "$slot", "" },
    { "\\n", "\\n" },
};

static void test_values(void **state)
{
    struct bench *bench = *state;

    bench->scope.captures[1] = TEXT("one");
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        const struct template *template = compiled(bench, values[i].source);

        CHECK_TEXT(template_eval(template, &bench->scope), values[i].value);
        assert_non_null(template_eval(template, &bench->scope).ptr);
        CHECK_TEXT(template_source(template), values[i].source);
    }
}

static const struct { const char *source, *pattern; } patterns[] = {
    { "", "" },
    { "/x.pem", "/x.pem" },
    { "/$a.pem", "/*.pem" },
    { "${a}x$none/$1", "*x*/*" },
    { "/[a]?*\\$a", "/\\[a\\]\\?\\*\\\\*" },
};

static void test_patterns(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT_OF(patterns); i++)
        CHECK_TEXT(template_pattern(compiled(bench, patterns[i].source), bench->arena),
                   patterns[i].pattern);
}

static const struct { const char *source, *message; } faults[] = {
    { "$", "invalid variable name in \"$\"" },
    { "x$", "invalid variable name in \"x$\"" },
    { "$-", "invalid variable name in \"$-\"" },
    { "$$a", "invalid variable name in \"$$a\"" },
    { "${}", "invalid variable name in \"${}\"" },
    { "${a", "the closing bracket in \"a\" variable is missing" },
    { "${a-}", "the closing bracket in \"a\" variable is missing" },
    { "$b", "unknown \"b\" variable" },
    { "$ab", "unknown \"ab\" variable" },
    { "$a$0", "unknown \"0\" variable" },
    { "$Nobody", "unknown \"nobody\" variable" },
};

static void test_faults(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        const struct template *template = NULL;
        struct text            message = TEXT("");

        assert_int_equal(template_compile(bench->arena, text_from(faults[i].source), &bench_names,
                                          &template, &message), -EINVAL);
        CHECK_TEXT(message, faults[i].message);
        assert_null(template);
    }
}

static void test_constant(void **state)
{
    struct bench *bench = *state;

    assert_true(template_is_constant(compiled(bench, "")));
    assert_true(template_is_constant(compiled(bench, "x")));
    assert_false(template_is_constant(compiled(bench, "x$a")));
    assert_true(template_is_constant(template_literal(bench->arena, TEXT("$a"))));
    CHECK_TEXT(template_eval(template_literal(bench->arena, TEXT("$a")), &bench->scope), "$a");
    CHECK_TEXT(template_eval(template_literal(bench->arena, TEXT_NONE), &bench->scope), "");
}

/* The value of a constant is the literal itself, and every getter is asked once. */
static void test_costs(void **state)
{
    struct bench          *bench = *state;
    const struct template *constant = compiled(bench, "constant"), *many = compiled(bench, "$a$a-$a");

    assert_ptr_equal(template_eval(constant, &bench->scope).ptr,
                     template_eval(constant, &bench->scope).ptr);
    (void)template_eval(many, &bench->scope);
    assert_int_equal(bench->asked, 3);
}

static void test_is_true(void **state)
{
    struct bench *bench = *state;

    assert_false(template_is_true(compiled(bench, ""), &bench->scope));
    assert_false(template_is_true(compiled(bench, "0"), &bench->scope));
    assert_false(template_is_true(compiled(bench, "$none"), &bench->scope));
    assert_true(template_is_true(compiled(bench, "00"), &bench->scope));
    assert_true(template_is_true(compiled(bench, "$a"), &bench->scope));
}

static void mark(struct writer *writer, struct text value)
{
    if (value.ptr == NULL)
        writer_char(writer, '-');
    else
        writer_format(writer, "<%.*s>", TEXT_ARGS(value));
}

static void test_write(void **state)
{
    struct bench  *bench = *state;
    struct writer  writer = writer_arena(bench->arena, 8);

    template_write(compiled(bench, "l<$a $none $slot>"), &bench->scope, &writer, mark);
    CHECK_TEXT(writer_done(&writer), "l<<A> - ->");
    template_write(compiled(bench, "|$a$none|"), &bench->scope, &writer, NULL);
    CHECK_TEXT(writer_done(&writer), "l<<A> - ->|A|");
}

/* More parts than fit on the stack. */
static void test_many_parts(void **state)
{
    struct bench *bench = *state;
    struct writer source = writer_arena(bench->arena, 1024), wanted = source;

    source = writer_arena(bench->arena, 1024);
    wanted = writer_arena(bench->arena, 1024);
    for (int i = 0; i < 100; i++) {
        writer_string(&source, "$a,");
        writer_string(&wanted, "A,");
    }
    CHECK_TEXT(template_eval(compiled(bench, arena_string(bench->arena, writer_done(&source))),
                             &bench->scope),
               arena_string(bench->arena, writer_done(&wanted)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_values), WITH_BENCH(test_patterns),   WITH_BENCH(test_faults),  WITH_BENCH(test_constant),
        WITH_BENCH(test_costs),    WITH_BENCH(test_is_true), WITH_BENCH(test_write),
        WITH_BENCH(test_many_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
