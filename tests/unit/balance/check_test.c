// SPDX-License-Identifier: MIT
/* check: which answers pass which tests. */
#include "base/unit.h"

#include "balance/check.h"

static struct arena *arena;
static struct head   head;
static const char   *why;

static int setup(void **state)
{
    (void)state;
    arena = arena_new();
    head = (struct head){ .status = 200 };
    fields_init(&head.fields, arena, 4);
    fields_add(&head.fields, TEXT("X-A"), TEXT("one"));
    fields_add(&head.fields, TEXT("X-A"), TEXT("two"));
    fields_add(&head.fields, TEXT("X-Zero"), TEXT("0"));
    fields_add(&head.fields, TEXT("X-Empty"), TEXT(""));
    why = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static bool passes(struct match_test test, struct text body)
{
    struct match match = { .name = TEXT("m"), .tests = &test };
    struct check check = { .match = &match };

    return check_is_passed(&check, &head, body, &why);
}

static bool has_status(enum match_how how, unsigned first, unsigned last, unsigned status)
{
    struct status_range ranges[] = { { 599, 599 }, { first, last } };

    head.status = status;
    return passes((struct match_test){ .kind = MATCH_STATUS, .how = how, .ranges = ranges,
                                       .range_count = 2 },
                  TEXT(""));
}

static const struct regex *regex_of(const char *pattern)
{
    const struct regex *regex;
    struct text         message;

    assert_int_equal(regex_compile(arena, text_from(pattern), false, NULL, &regex, &message), 0);
    return regex;
}

static bool has_field(const char *name, enum match_how how, const char *value)
{
    bool is_regex = how == MATCH_LIKE || how == MATCH_UNLIKE;

    return passes((struct match_test){ .kind = MATCH_HEADER, .how = how, .name = text_from(name),
                                       .value = text_from(value),
                                       .regex = is_regex ? regex_of(value) : NULL },
                  TEXT(""));
}

static void without_match_2xx_and_3xx_are_good(void **state)
{
    static const struct { unsigned status; bool is_good; } rows[] = {
        { 199, false }, { 200, true }, { 399, true }, { 400, false }, { 503, false } };
    struct check check = { .uri = TEXT("/h") };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        head.status = rows[i].status;
        assert_int_equal(check_is_passed(&check, &head, TEXT(""), &why), rows[i].is_good);
    }
    assert_string_equal(why, "status code");
}

static void ranges_include_their_ends(void **state)
{
    (void)state;
    assert_true(has_status(MATCH_IS, 200, 299, 200));
    assert_true(has_status(MATCH_IS, 200, 299, 299));
    assert_true(has_status(MATCH_IS, 200, 299, 599));
    assert_false(has_status(MATCH_IS, 200, 299, 300));
    assert_string_equal(why, "status code");
    assert_false(has_status(MATCH_IS_NOT, 200, 299, 200));
    assert_false(has_status(MATCH_IS_NOT, 200, 299, 599));
    assert_true(has_status(MATCH_IS_NOT, 200, 299, 300));
}

static void one_of_several_fields_is_enough_but_all_must_differ(void **state)
{
    (void)state;
    assert_true(has_field("x-a", MATCH_PRESENT, ""));
    assert_false(has_field("x-a", MATCH_ABSENT, ""));
    assert_true(has_field("X-B", MATCH_ABSENT, ""));
    assert_false(has_field("X-B", MATCH_PRESENT, ""));
    assert_true(has_field("X-A", MATCH_IS, "two"));
    assert_false(has_field("X-A", MATCH_IS, "Two"));
    assert_false(has_field("X-A", MATCH_IS_NOT, "two"));
    assert_true(has_field("X-A", MATCH_IS_NOT, "three"));
    assert_true(has_field("X-A", MATCH_LIKE, "^tw"));
    assert_false(has_field("X-A", MATCH_UNLIKE, "^tw"));
    assert_true(has_field("X-A", MATCH_UNLIKE, "^x"));
    assert_string_equal(why, "header");
}

static void unlike_wants_a_field_to_be_unlike(void **state)
{
    (void)state;
    assert_false(has_field("X-B", MATCH_IS_NOT, "x"));
    assert_false(has_field("X-B", MATCH_UNLIKE, "x"));
}

static bool is_required(const char *name)
{
    return passes((struct match_test){ .kind = MATCH_REQUIRE, .name = text_from(name) }, TEXT(""));
}

static void required_is_neither_empty_nor_zero(void **state)
{
    (void)state;
    assert_true(is_required("x-a"));
    assert_false(is_required("x-zero"));
    assert_false(is_required("x-empty"));
    assert_false(is_required("x-none"));
    assert_string_equal(why, "required variable");
}

static void bodies_are_searched(void **state)
{
    struct match_test like = { .kind = MATCH_BODY, .how = MATCH_LIKE, .regex = regex_of("w.ll") };
    struct match_test unlike = like;

    (void)state;
    unlike.how = MATCH_UNLIKE;
    assert_true(passes(like, TEXT("all is well here")));
    assert_false(passes(like, TEXT("")));
    assert_string_equal(why, "response body");
    assert_false(passes(unlike, TEXT("all is well here")));
    assert_true(passes(unlike, TEXT("sorry")));
}

static void all_tests_must_hold(void **state)
{
    struct match_test second = { .kind = MATCH_HEADER, .how = MATCH_PRESENT, .name = TEXT("X-B") };
    struct match_test first = { .next = &second, .kind = MATCH_HEADER, .how = MATCH_PRESENT,
                                .name = TEXT("X-A") };

    (void)state;
    assert_false(passes(first, TEXT("")));
    second.how = MATCH_ABSENT;
    assert_true(passes(first, TEXT("")));
}

static void it_is_named_by_its_match_or_by_what_it_asks(void **state)
{
    struct match match = { .name = TEXT("m") };
    struct check check = { .uri = TEXT("/h") };

    (void)state;
    assert_true(text_is_equal(check_name(&check), TEXT("/h")));
    check.match = &match;
    assert_true(text_is_equal(check_name(&check), TEXT("m")));
    check = (struct check){ .type = CHECK_TCP, .uri = TEXT("/") };
    assert_true(text_is_equal(check_name(&check), TEXT("tcp")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_match_2xx_and_3xx_are_good, setup, teardown),
        cmocka_unit_test_setup_teardown(ranges_include_their_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_several_fields_is_enough_but_all_must_differ, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(unlike_wants_a_field_to_be_unlike, setup, teardown),
        cmocka_unit_test_setup_teardown(required_is_neither_empty_nor_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_are_searched, setup, teardown),
        cmocka_unit_test_setup_teardown(all_tests_must_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_named_by_its_match_or_by_what_it_asks, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
