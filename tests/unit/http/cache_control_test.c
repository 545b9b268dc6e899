// SPDX-License-Identifier: MIT
/* cache_control: directives of RFC 9111 5.2, RFC 5861, RFC 8246 and RFC 9213, well written, twice,
 * and badly. What was read is written in a notation of this test, so that a case is a line. */
#include "base/unit.h"

#include "base/writer.h"
#include "http/cache_control.h"

static void write_seconds(struct writer *writer, const char *name, int64_t seconds)
{
    if (seconds != CACHE_SECONDS_ABSENT)
        writer_format(writer, "%s=%lld ", name, (long long)seconds);
}

static void write_names(struct writer *writer, const char *name, const struct cache_names *names)
{
    for (unsigned i = 0; i < names->count; i++)
        writer_format(writer, "%s:%.*s ", name, TEXT_ARGS(names->items[i]));
}

static struct text written(const struct cache_control *control, struct arena *arena)
{
    static const char *const flags[] = { "no-store", "no-cache", "private", "public", "must-revalidate",
                                         "proxy-revalidate", "must-understand", "no-transform",
                                         "immutable", "only-if-cached" };
    struct writer            writer = writer_arena(arena, 64);

    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (control->flags & 1u << i)
            writer_format(&writer, "%s ", flags[i]);
    write_seconds(&writer, "max-age", control->max_age_s);
    write_seconds(&writer, "s-maxage", control->s_maxage_s);
    write_seconds(&writer, "swr", control->stale_revalidate_s);
    write_seconds(&writer, "sie", control->stale_error_s);
    write_seconds(&writer, "max-stale", control->max_stale_s);
    write_seconds(&writer, "min-fresh", control->min_fresh_s);
    write_names(&writer, "no-cache", &control->no_cache);
    write_names(&writer, "private", &control->private);
    return text_trim(writer_done(&writer));
}

struct reading {
    const char *field, *meaning;
};

static void check_answers(struct arena *arena, const struct reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct fields        fields;
        struct cache_control control;
        fields_init(&fields, arena, 1);
        fields_add_id(&fields, FIELD_CACHE_CONTROL, text_from(readings[i].field));
        control = cache_control_of_answer(&fields, arena);
        check_text(written(&control, arena), text_from(readings[i].meaning), readings[i].field,
                   __FILE__, __LINE__);
    }
}

#define CHECK_ANSWERS(readings) check_answers(*state, readings, COUNT_OF(readings))

/* RFC 9111 5.2.2, RFC 5861 3 and 4, RFC 8246 */
static void every_directive_is_known_in_any_case(void **state)
{
    static const struct reading readings[] = {
        { "", "" }, { "max-age=60", "max-age=60" }, { "MAX-AGE=60", "max-age=60" },
        { "s-maxage=5, Public", "public s-maxage=5" },
        { "no-store,no-cache ,\tprivate", "no-store no-cache private" },
        { "must-revalidate, proxy-revalidate, must-understand",
          "must-revalidate proxy-revalidate must-understand" },
        { "no-transform, immutable, only-if-cached", "no-transform immutable only-if-cached" },
        { "stale-while-revalidate=3, stale-if-error=4", "swr=3 sie=4" },
        { "max-stale=5, min-fresh=6", "max-stale=5 min-fresh=6" },
    };

    CHECK_ANSWERS(readings);
}

/* RFC 9111 5.2: token and quoted-string are both accepted. */
static void arguments_come_in_both_forms(void **state)
{
    static const struct reading readings[] = {
        { "max-age=\"60\"", "max-age=60" }, { "max-age=\"6\\0\"", "max-age=60" },
        { "s-maxage=\"0\"", "s-maxage=0" }, { "private=\"X\"", "private:X" },
        { "private=X", "private:X" }, { "no-cache=\"Set-Cookie, X\"", "no-cache:Set-Cookie no-cache:X" },
        { "no-cache=\"X\" , max-age=1", "max-age=1 no-cache:X" },
    };

    CHECK_ANSWERS(readings);
}

/* RFC 9111 1.2.2 */
static void seconds_do_not_overflow(void **state)
{
    static const struct reading readings[] = {
        { "max-age=2147483647", "max-age=2147483647" }, { "max-age=2147483648", "max-age=2147483648" },
        { "max-age=2147483649", "max-age=2147483648" }, { "max-age=4294967296", "max-age=2147483648" },
        { "max-age=18446744073709551616", "max-age=2147483648" },
        { "max-age=99999999999999999999999999999999", "max-age=2147483648" },
        { "max-age=0000000000000000000000000000000007", "max-age=7" },
    };

    CHECK_ANSWERS(readings);
}

/* RFC 9111 4.2.1: what is no number makes the answer stale. */
static void seconds_that_are_none_are_zero(void **state)
{
    static const struct reading readings[] = {
        { "max-age", "max-age=0" }, { "max-age=", "max-age=0" }, { "max-age=abc", "max-age=0" },
        { "max-age=-1", "max-age=0" }, { "max-age=+1", "max-age=0" }, { "max-age=1.5", "max-age=0" },
        { "max-age=1s", "max-age=0" }, { "max-age= 60", "max-age=0" }, { "max-age =60", "max-age=0" },
        { "max-age='60'", "max-age=0" }, { "max-age=\"60", "max-age=0" }, { "max-age=\"\"", "max-age=0" },
        { "max-age=\" 60\"", "max-age=0" }, { "max-age=60 70", "max-age=0" },
        { "max-age=60;public", "max-age=0" }, { "s-maxage=x, max-age=60", "max-age=60 s-maxage=0" },
        { "stale-if-error", "sie=0" }, { "max-age:60", "max-age=0" },
    };

    CHECK_ANSWERS(readings);
}

/* RFC 9111 4.2.1: several values, the smallest is right whichever of the rules is followed. */
static void the_strictest_of_several_holds(void **state)
{
    static const struct reading readings[] = {
        { "max-age=60, max-age=5", "max-age=5" }, { "max-age=5, max-age=60", "max-age=5" },
        { "max-age=60, max-age=x", "max-age=0" }, { "max-age=60, max-age=60", "max-age=60" },
        { "min-fresh=5, min-fresh=9", "min-fresh=9" }, { "min-fresh=9, min-fresh=x", "min-fresh=9" },
        { "max-stale, max-stale=7", "max-stale=7" },
        { "private=\"A\", private", "private private:A" },
        { "private=\"A\", private=\"B\"", "private:A private:B" },
    };
    struct fields        fields;
    struct cache_control control;

    CHECK_ANSWERS(readings);
    fields_init(&fields, *state, 2);
    fields_add(&fields, TEXT("Cache-Control"), TEXT("max-age=60, public"));
    fields_add(&fields, TEXT("cache-control"), TEXT("max-age=30, no-cache"));
    control = cache_control_of_answer(&fields, *state);
    CHECK_TEXT(written(&control, *state), "no-cache public max-age=30");
}

/* RFC 9111 5.2.3 */
static void extensions_are_nothing(void **state)
{
    static const struct reading readings[] = {
        { "private, community=\"UCI\"", "private" }, { "foo=\"no-store, max-age=1\", max-age=9", "max-age=9" },
        { "foo=\"a\\\"b, no-store\", public", "public" }, { "max-agex=5, xmax-age=6", "" },
        { ",,, max-age=1,,", "max-age=1" }, { "foo, bar=baz", "" },
    };

    CHECK_ANSWERS(readings);
}

/* Nothing can hide what stands behind it. */
static void mistakes_end_at_the_next_comma(void **state)
{
    static const struct reading readings[] = {
        { "foo=\"bar, no-store", "no-store" }, { "\"foo, no-store\"", "no-store" },
        { "a\"b, private, c\"", "private" }, { "=, no-store", "no-store" }, { "foo = \"a, no-cache\"", "no-cache" },
        { "foo=\"a\"b, no-store", "no-store" }, { "foo=\"\\", "" }, { "@, max-age=5", "max-age=5" },
        { "no-store x", "no-store" }, { "no-store=1", "no-store" }, { "no-store;", "no-store" },
        { "must-revalidate=0", "must-revalidate" }, { "public=1", "" }, { "public x", "" },
        { "must-understand=1, no-store", "no-store" }, { "immutable=\"\"", "" },
    };

    CHECK_ANSWERS(readings);
}

/* RFC 9111 5.2.2.4, 5.2.2.7: a list that is none leaves the directive without names. */
static void field_names_or_none(void **state)
{
    static const struct reading readings[] = {
        { "private=\"\"", "private" }, { "private=", "private" }, { "private=\" , \"", "private" },
        { "private=\"A B\"", "private" }, { "no-cache=\"A, b@\"", "no-cache no-cache:A" },
        { "no-cache=\"A", "no-cache" }, { "no-cache=\", A,\"", "no-cache:A" },
    };
    struct writer        writer = writer_arena(*state, 256);
    struct fields        fields;
    struct cache_control control;

    CHECK_ANSWERS(readings);
    writer_string(&writer, "private=\"A");
    for (int i = 1; i < CACHE_NAMES_MAX; i++)
        writer_string(&writer, ",A");
    fields_init(&fields, *state, 1);
    fields_add_id(&fields, FIELD_CACHE_CONTROL,
                  arena_format(*state, "%.*s\"", TEXT_ARGS(writer_done(&writer))));
    control = cache_control_of_answer(&fields, *state);
    assert_int_equal(control.flags, 0);
    assert_int_equal(control.private.count, CACHE_NAMES_MAX);
    fields_set(&fields, FIELD_CACHE_CONTROL,
               arena_format(*state, "%.*s,A\"", TEXT_ARGS(writer_done(&writer))));
    control = cache_control_of_answer(&fields, *state);
    assert_int_equal(control.flags, CACHE_CONTROL_PRIVATE);
}

/* RFC 9111 5.2.1, 5.4 */
static void requests(void **state)
{
    struct fields        fields;
    struct cache_control control;

    fields_init(&fields, *state, 4);
    fields_add(&fields, TEXT("Pragma"), TEXT("foo=\"no-cache\", x"));
    control = cache_control_of_request(&fields, *state);
    assert_int_equal(control.flags, 0);
    fields_add(&fields, TEXT("Pragma"), TEXT("x, No-Cache"));
    control = cache_control_of_request(&fields, *state);
    CHECK_TEXT(written(&control, *state), "no-cache");
    control = cache_control_of_answer(&fields, *state);
    CHECK_TEXT(written(&control, *state), "");
    fields_add(&fields, TEXT("Cache-Control"), TEXT("max-stale, only-if-cached"));
    control = cache_control_of_request(&fields, *state);
    CHECK_TEXT(written(&control, *state), "only-if-cached max-stale=2147483648");
}

/* RFC 9213 2.1, 2.2 */
static void targeted_fields(void **state)
{
    static const struct reading readings[] = {      /* meaning NULL: not valid, or empty */
        { "max-age=60", "max-age=60" }, { "max-age=60, no-store;x=1", "no-store max-age=60" },
        { "max-age=60;max-age=5", "max-age=60" }, { "no-cache=\"Set-Cookie, X\"", "no-cache:Set-Cookie no-cache:X" },
        { "private=X", "private:X" }, { "private, must-revalidate", "private must-revalidate" },
        { "max-age=1, max-age=9", "max-age=9" }, { "foo", "" }, { "s-maxage=5, stale-if-error=6", "s-maxage=5 sie=6" },
        { "max-age=999999999999999", "max-age=2147483648" }, { "no-store=?0, public", "public" },
        { "max-age=\"60\"", "max-age=0" }, { "max-age=1.5", "max-age=0" }, { "max-age=-1", "max-age=0" },
        { "max-age", "max-age=0" }, { "max-age=?0", "max-age=0" }, { "no-store=1", "no-store" },
        { "public=1", "" }, { "private=(\"a\")", "private" },
        { "", NULL }, { "  ", NULL }, { "max-age=60,", NULL }, { "Max-Age=60", NULL }, { "max-age =60", NULL },
        { "max-age=60, \"", NULL }, { "max-age=60 no-store", NULL }, { "max-age='60'", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(readings); i++) {
        struct fields        fields;
        struct cache_control control;
        bool                 is_valid;
        fields_init(&fields, *state, 2);
        fields_add_id(&fields, FIELD_CACHE_CONTROL, TEXT("no-store"));
        fields_add(&fields, TEXT("cdn-cache-control"), text_from(readings[i].field));
        is_valid = cache_control_of_targeted(&fields, TEXT("CDN-Cache-Control"), *state, &control);
        CHECK_CASE(is_valid == (readings[i].meaning != NULL), readings[i].field);
        if (is_valid)
            check_text(written(&control, *state), text_from(readings[i].meaning), readings[i].field,
                       __FILE__, __LINE__);
    }
}

/* RFC 9213 2.1 and RFC 9651 4.2: lines are one dictionary, whose last member of a name counts. */
static void targeted_fields_in_several_lines(void **state)
{
    struct fields        fields;
    struct cache_control control;

    fields_init(&fields, *state, 2);
    assert_false(cache_control_of_targeted(&fields, TEXT("CDN-Cache-Control"), *state, &control));
    fields_add(&fields, TEXT("CDN-Cache-Control"), TEXT("max-age=5"));
    fields_add(&fields, TEXT("CDN-Cache-Control"), TEXT("max-age=7, private"));
    assert_true(cache_control_of_targeted(&fields, TEXT("CDN-Cache-Control"), *state, &control));
    CHECK_TEXT(written(&control, *state), "private max-age=7");
    fields_add(&fields, TEXT("CDN-Cache-Control"), TEXT(""));
    assert_false(cache_control_of_targeted(&fields, TEXT("CDN-Cache-Control"), *state, &control));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(every_directive_is_known_in_any_case),
        WITH_ARENA(arguments_come_in_both_forms),
        WITH_ARENA(seconds_do_not_overflow),
        WITH_ARENA(seconds_that_are_none_are_zero),
        WITH_ARENA(the_strictest_of_several_holds),
        WITH_ARENA(extensions_are_nothing),
        WITH_ARENA(mistakes_end_at_the_next_comma),
        WITH_ARENA(field_names_or_none),
        WITH_ARENA(requests),
        WITH_ARENA(targeted_fields),
        WITH_ARENA(targeted_fields_in_several_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
