// SPDX-License-Identifier: MIT
/* groups: RFC 9875 2 (Cache-Groups), 3 (Cache-Group-Invalidation), and fields of tags. */
#include "check.h"

#include <string.h>

#include "base/writer.h"
#include "cache/groups.h"

/* "a|b", with "!" at the end when cut. */
static struct text shown(struct arena *arena, const struct groups *groups)
{
    struct writer writer = writer_arena(arena, 64);

    for (unsigned i = 0; i < groups->count; i++) {
        writer_string(&writer, i > 0 ? "|" : "");
        writer_text(&writer, groups->names[i]);
    }
    writer_string(&writer, groups->is_cut ? "!" : "");
    return writer_done(&writer);
}

static struct text of(struct arena *arena, const char *lines)
{
    struct fields response = fields_of(arena, lines);
    struct groups groups;

    groups_of(&response, arena, &groups);
    return shown(arena, &groups);
}

static struct text ended_by(struct arena *arena, enum method method, const char *lines)
{
    struct fields response = fields_of(arena, lines);
    struct groups groups;

    groups_ended_by(method, &response, arena, &groups);
    return shown(arena, &groups);
}

static struct text tags(struct arena *arena, const char *lines)
{
    struct fields response = fields_of(arena, lines);
    struct groups groups;

    groups_tags(&response, TEXT("Surrogate-Key"), &groups);
    return shown(arena, &groups);
}

static void rfc9875_2_a_list_of_strings(void **state)
{
    CHECK_TEXT(of(*state, "Cache-Groups: \"scripts\""), "scripts");
    CHECK_TEXT(of(*state, "cache-groups: \"a\";revalidate, \"b c\"\nCache-Groups: \"A\""), "a|b c|A");
    CHECK_TEXT(of(*state, "Cache-Groups: \"a\", \"a\",\"b\""), "a|b");
    CHECK_TEXT(of(*state, "Date: x"), "");
    CHECK_TEXT(of(*state, "Cache-Groups:"), "");
}

static void what_is_no_list_of_strings_is_absent(void **state)
{
    CHECK_TEXT(of(*state, "Cache-Groups: a"), "");
    CHECK_TEXT(of(*state, "Cache-Groups: \"a\", b"), "");
    CHECK_TEXT(of(*state, "Cache-Groups: (\"a\" \"b\")"), "");
    CHECK_TEXT(of(*state, "Cache-Groups: \"a\", 1"), "");
    CHECK_TEXT(of(*state, "Cache-Groups: \"a\","), "");
    CHECK_TEXT(of(*state, "Cache-Groups: \"a"), "");
}

/* Field lines with `count` names of `len` bytes that differ at the end. */
static const char *lines_of(struct arena *arena, const char *name, const char *quote, unsigned count,
                            unsigned len)
{
    struct writer writer = writer_arena(arena, 4096);

    writer_format(&writer, "%s: ", name);
    for (unsigned i = 0; i < count; i++)
        writer_format(&writer, "%s%s%0*u%s", i > 0 ? ", " : "", quote, (int)len, i, quote);
    writer_char(&writer, '\0');
    return writer.ptr;
}

static void rfc9875_2_at_least_32_of_32_and_never_without_bound(void **state)
{
    struct fields response = fields_of(*state, lines_of(*state, "Cache-Groups", "\"", 32, 32));
    struct groups groups;

    groups_of(&response, *state, &groups);
    assert_int_equal(groups.count, 32);
    assert_false(groups.is_cut);
    assert_int_equal(groups.names[31].len, 32);
    response = fields_of(*state, lines_of(*state, "Cache-Groups", "\"", GROUPS_MAX, GROUPS_NAME_MAX));
    groups_of(&response, *state, &groups);
    assert_int_equal(groups.count, GROUPS_MAX);
    assert_false(groups.is_cut);
    response = fields_of(*state, lines_of(*state, "Cache-Groups", "\"", GROUPS_MAX + 1, 4));
    groups_of(&response, *state, &groups);
    assert_int_equal(groups.count, GROUPS_MAX);
    assert_true(groups.is_cut);
    response = fields_of(*state, lines_of(*state, "Cache-Groups", "\"", 1, GROUPS_NAME_MAX + 1));
    groups_of(&response, *state, &groups);
    assert_int_equal(groups.count, 0);
    assert_true(groups.is_cut);
    response = fields_of(*state, lines_of(*state, "Cache-Groups", "\"", 2000, 4));
    groups_of(&response, *state, &groups);
    assert_true(groups.is_cut);
}

static void rfc9875_3_safe_methods_invalidate_nothing(void **state)
{
    const char *lines = "Cache-Group-Invalidation: \"a\", \"b\"\nCache-Groups: \"c\"";

    CHECK_TEXT(ended_by(*state, METHOD_POST, lines), "a|b");
    CHECK_TEXT(ended_by(*state, METHOD_OTHER, lines), "a|b");
    CHECK_TEXT(ended_by(*state, METHOD_GET, lines), "");
    CHECK_TEXT(ended_by(*state, METHOD_HEAD, lines), "");
    CHECK_TEXT(ended_by(*state, METHOD_OPTIONS, lines), "");
}

static void tags_are_separated_by_blanks_or_commas(void **state)
{
    CHECK_TEXT(tags(*state, "Surrogate-Key: a b  c\td"), "a|b|c|d");
    CHECK_TEXT(tags(*state, "Surrogate-Key: a,b, c ,,"), "a|b|c");
    CHECK_TEXT(tags(*state, "Surrogate-Key: a b\nsurrogate-key: B b"), "a|b|B");
    CHECK_TEXT(tags(*state, "Surrogate-Key: a=\"b;c\""), "a=\"b;c\"");
    CHECK_TEXT(tags(*state, "Surrogate-Key:"), "");
    CHECK_TEXT(tags(*state, "Cache-Tag: a"), "");
}

static void tags_are_bounded(void **state)
{
    struct text most = tags(*state, lines_of(*state, "Surrogate-Key", "", GROUPS_MAX, GROUPS_NAME_MAX));

    assert_false(text_has_suffix(most, TEXT("!")));
    most = tags(*state, lines_of(*state, "Surrogate-Key", "", GROUPS_MAX + 1, 4));
    assert_true(text_has_suffix(most, TEXT("!")));
    CHECK_TEXT(tags(*state, lines_of(*state, "Surrogate-Key", "", 1, GROUPS_NAME_MAX + 1)), "!");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(rfc9875_2_a_list_of_strings),
        WITH_ARENA(what_is_no_list_of_strings_is_absent),
        WITH_ARENA(rfc9875_2_at_least_32_of_32_and_never_without_bound),
        WITH_ARENA(rfc9875_3_safe_methods_invalidate_nothing),
        WITH_ARENA(tags_are_separated_by_blanks_or_commas),
        WITH_ARENA(tags_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
