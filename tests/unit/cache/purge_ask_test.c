// SPDX-License-Identifier: MIT
/* purge_ask: which fields of a request say what to purge, and which are refused. */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "base/writer.h"
#include "cache/purge_ask.h"

static const char *const targets[] = { "key", "tags", "host", "all" };

/* "tags a|b soft", or "!" and why not. */
static struct text read_with(struct arena *arena, const char *tag_field, const char *lines)
{
    struct writer    writer = writer_arena(arena, 64);
    struct fields    fields = fields_of(arena, lines);
    struct purge_ask ask;
    struct text      why;

    if (purge_ask_read(&fields, text_from(tag_field), arena, &ask, &why) < 0)
        return arena_format(arena, "!%.*s", TEXT_ARGS(why));
    writer_string(&writer, targets[ask.target]);
    for (unsigned i = 0; i < ask.tags.count; i++)
        writer_format(&writer, "%c%.*s", i > 0 ? '|' : ' ', TEXT_ARGS(ask.tags.names[i]));
    if (ask.target == PURGE_OF_HOST)
        writer_format(&writer, " %.*s", TEXT_ARGS(ask.host));
    writer_string(&writer, ask.is_soft ? " soft" : "");
    return writer_done(&writer);
}

static struct text of(struct arena *arena, const char *lines)
{
    return read_with(arena, "Surrogate-Key", lines);
}

static void without_a_field_the_key_is_meant(void **state)
{
    CHECK_TEXT(of(*state, "Host: h"), "key");
    CHECK_TEXT(of(*state, "Host: h\nPurge-Soft: 1"), "key soft");
    CHECK_TEXT(of(*state, "Purge: x\nX-Purge-All: 1\nFastly-Soft-Purge: 1"), "key");
}

static void tags_stand_in_a_field_of_theirs(void **state)
{
    CHECK_TEXT(of(*state, "Purge-Tag: a"), "tags a");
    CHECK_TEXT(of(*state, "purge-tag: a b,c\nHost: h\nPURGE-TAG: a d\nPurge-Soft: 1"), "tags a|b|c|d soft");
}

static void or_in_the_one_that_responses_have(void **state)
{
    CHECK_TEXT(of(*state, "surrogate-key: a b\nSurrogate-Key: c"), "tags a|b|c");
    CHECK_TEXT(read_with(*state, "xkey", "xkey: a"), "tags a");
    CHECK_TEXT(read_with(*state, "", "Surrogate-Key: a\nPurge-Tag: b"), "tags b");
    CHECK_TEXT(read_with(*state, "Purge-Tag", "Purge-Tag: b"), "tags b");
}

static void no_tag_is_no_wish(void **state)
{
    const struct text why = TEXT("!no tag in the field of tags");

    assert_true(text_is_equal(of(*state, "Purge-Tag:"), why));
    assert_true(text_is_equal(of(*state, "Surrogate-Key: , "), why));
}

static void tags_that_no_response_has_are_refused(void **state)
{
    struct writer    writer = writer_arena(*state, 4096);
    struct fields    fields;
    struct purge_ask ask;
    struct text      why, lines;

    for (unsigned i = 0; i < GROUPS_MAX; i++)
        writer_format(&writer, "t%u ", i);
    lines = writer_done(&writer);
    fields_init(&fields, *state, 2);
    fields_add(&fields, TEXT("Purge-Tag"), lines);
    assert_int_equal(purge_ask_read(&fields, TEXT_NONE, *state, &ask, &why), 0);
    assert_int_equal(ask.tags.count, GROUPS_MAX);
    fields_add(&fields, TEXT("Purge-Tag"), TEXT("one-more"));
    assert_int_equal(purge_ask_read(&fields, TEXT_NONE, *state, &ask, &why), -EINVAL);
    CHECK_TEXT(why, "more tags, or longer ones, than a response may have");
}

static void a_host_is_read_as_the_one_of_a_request(void **state)
{
    CHECK_TEXT(of(*state, "Purge-Host: H.Example."), "host h.example");
    CHECK_TEXT(of(*state, "Purge-Host: h:8080\nPurge-Soft: 1"), "host h soft");
    CHECK_TEXT(of(*state, "Purge-Host: [2001:DB8::1]:80"), "host [2001:db8::1]");
    CHECK_TEXT(of(*state, "Purge-Host:"), "!Purge-Host is no name of a host");
    CHECK_TEXT(of(*state, "Purge-Host: ."), "!Purge-Host is no name of a host");
    CHECK_TEXT(of(*state, "Purge-Host: a b"), "!Purge-Host is no name of a host");
    CHECK_TEXT(of(*state, "Purge-Host: a, b"), "!Purge-Host is no name of a host");
}

static void yes_is_1_and_nothing_else(void **state)
{
    static const char *const wrong[] = { "", "0", "true", "yes", "1, 1", "11" };

    CHECK_TEXT(of(*state, "Purge-All: 1"), "all");
    CHECK_TEXT(of(*state, "Purge-Soft: 1\nPurge-All: 1"), "all soft");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        for (unsigned k = 0; k < 2; k++) {
            struct text lines = arena_format(*state, "Purge-%s: %s", k == 0 ? "All" : "Soft", wrong[i]);

            CHECK_TEXT(of(*state, lines.ptr), "!Purge-All and Purge-Soft have no other value than 1");
        }
}

static void a_misspelt_field_is_refused(void **state)
{
    const struct text why = TEXT("!no such field: Purge-Tag, Purge-Host, Purge-All and Purge-Soft there are");

    assert_true(text_is_equal(of(*state, "Purge-Tags: a"), why));
    assert_true(text_is_equal(of(*state, "purge-: a"), why));
    assert_true(text_is_equal(of(*state, "Purge-Tag: a\nPurge-Zone: b"), why));
}

static void one_thing_at_a_time(void **state)
{
    static const char *const pairs[] = { "Purge-All: 1\nPurge-Host: h", "Purge-Tag: a\nPurge-All: 1",
                                         "Purge-Tag: a\nPurge-Host: h", "Purge-Host: h\nPurge-Host: h",
                                         "Purge-Tag: a\nSurrogate-Key: a" };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        CHECK_TEXT(of(*state, pairs[i]), "!more than one of tags, Purge-Host and Purge-All");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(without_a_field_the_key_is_meant),
        WITH_ARENA(tags_stand_in_a_field_of_theirs),
        WITH_ARENA(or_in_the_one_that_responses_have),
        WITH_ARENA(no_tag_is_no_wish),
        WITH_ARENA(tags_that_no_response_has_are_refused),
        WITH_ARENA(a_host_is_read_as_the_one_of_a_request),
        WITH_ARENA(yes_is_1_and_nothing_else),
        WITH_ARENA(a_misspelt_field_is_refused),
        WITH_ARENA(one_thing_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
