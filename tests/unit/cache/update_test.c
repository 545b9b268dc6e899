// SPDX-License-Identifier: MIT
/* update: which stored answer a 304 or a HEAD tells of, and which of its fields change. */
#include "check.h"

#include "cache/update.h"

#define LM_1 "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"
#define LM_1_AS_BEFORE "Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT"
#define LM_2 "Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT"

struct selection {
    const char *stored, *not_modified;
    bool        is_named, is_selected;
};

/* RFC 9111 4.3.4 */
static void a_304_selects(void **state)
{
    static const struct selection rows[] = {
        /* strong */
        { "ETag: \"a\"", "ETag: \"a\"", false, true }, { "ETag: \"a\"", "ETag: \"b\"", true, false },
        { "ETag: W/\"a\"", "ETag: \"a\"", true, false }, { "", "ETag: \"a\"", true, false },
        { LM_1, "ETag: \"a\"\n" LM_1, true, false }, { "ETag: \"a\"\n" LM_1, "ETag: \"a\"\n" LM_2, false, true },
        /* weak */
        { "ETag: W/\"a\"", "ETag: W/\"a\"", false, true }, { "ETag: \"a\"", "ETag: W/\"a\"", false, true },
        { "ETag: \"a\"", "ETag: W/\"b\"", true, false }, { LM_1, LM_1, false, true },
        { LM_1, LM_1_AS_BEFORE, false, true }, { LM_1, LM_2, true, false }, { "", LM_1, true, false },
        { "ETag: \"a\"\n" LM_1, LM_1, false, true }, { "ETag: W/\"a\"\n" LM_1, "ETag: W/\"a\"\n" LM_1, false, true },
        { "ETag: W/\"a\"\n" LM_1, "ETag: W/\"a\"\n" LM_2, true, false },
        { "ETag: W/\"a\"\n" LM_1, "ETag: W/\"b\"\n" LM_1, true, false },
        /* none */
        { "", "", false, true }, { "ETag: \"a\"", "", false, false }, { "ETag: \"a\"", "", true, true },
        { LM_1, "", false, false }, { LM_1, "", true, true }, { "ETag: \"a\"", "ETag: junk", false, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fields stored = fields_of(*state, rows[i].stored);
        struct fields not_modified = fields_of(*state, rows[i].not_modified);
        if (update_is_selected(&stored, &not_modified, rows[i].is_named) != rows[i].is_selected)
            fail_msg("row %zu: \"%s\" by \"%s\"", i, rows[i].stored, rows[i].not_modified);
    }
}

struct head_answer {
    const char *stored, *answer;
    int         length;                  /* -1: none announced; the stored body has 7 bytes */
    bool        is_matching;
};

/* RFC 9111 4.3.5 */
static void a_head_matches(void **state)
{
    static const struct head_answer rows[] = {
        { "", "", -1, true }, { "", "", 7, true }, { "", "", 8, false }, { "", "", 0, false },
        { "ETag: \"a\"", "ETag: \"a\"", 7, true }, { "ETag: \"a\"", "ETag: \"a\"", 6, false },
        { "ETag: \"a\"", "ETag: \"b\"", 7, false }, { "ETag: \"a\"", "ETag: W/\"a\"", 7, false },
        { "ETag: \"a\"", "", 7, true }, { "", "ETag: \"a\"", 7, false }, { LM_1, LM_1, -1, true },
        { LM_1, LM_2, -1, false }, { LM_1, "", -1, true }, { "ETag: \"a\"\n" LM_1, "ETag: \"a\"\n" LM_2, -1, false },
        { "", "ETag:", -1, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fields stored = fields_of(*state, rows[i].stored);
        struct head   answer;
        head_init(&answer, *state, 0);
        answer.fields = fields_of(*state, rows[i].answer);
        answer.has_length = rows[i].length >= 0;
        answer.length = (uint64_t)rows[i].length;
        if (update_head_matches(&stored, 7, &answer) != rows[i].is_matching)
            fail_msg("row %zu: \"%s\" by \"%s\"", i, rows[i].stored, rows[i].answer);
    }
}

static void check_update(struct arena *arena, const char *stored, const char *newer,
                         bool is_keeping_cookies, const char *wanted)
{
    struct fields before = fields_of(arena, stored), by = fields_of(arena, newer);
    struct fields after = update_fields(&before, &by, 784111777, is_keeping_cookies, arena);
    struct text   lines = TEXT("");

    FIELDS_EACH(&after, field)
        lines = arena_format(arena, "%.*s%.*s: %.*s\n", TEXT_ARGS(lines), TEXT_ARGS(field->name),
                             TEXT_ARGS(field->value));
    check_text(lines, text_from(wanted), newer, __FILE__, __LINE__);
    FIELDS_EACH(&before, field)
        assert_false(field->is_gone);
    FIELDS_EACH(&by, field)
        assert_false(field->is_gone);
}

/* RFC 9111 3.2 */
static void fields_are_replaced_by_name(void **state)
{
    check_update(*state, "A: 1\nB: 2\nDate: x\nC: 3", "b: 4\nDate: y\nD: 5", false,
                 "A: 1\nC: 3\nb: 4\nDate: y\nD: 5\n");
    check_update(*state, "A: 1\na: 2\nDate: x", "Date: y\nA: 3\nA: 4", false, "Date: y\nA: 3\nA: 4\n");
    check_update(*state, "Content-Type: a\nETag: \"1\"\nCache-Control: max-age=1\nDate: x",
                 "Date: y\nContent-Type: b\nETag: \"2\"\nCache-Control: max-age=2", false,
                 "Date: y\nContent-Type: b\nETag: \"2\"\nCache-Control: max-age=2\n");
}

/* RFC 9111 3.1, 3.2 */
static void some_fields_are_left(void **state)
{
    check_update(*state, "Content-Encoding: gzip\nContent-Range: bytes 0-1/2\nContent-Length: 7\nDate: x",
                 "Date: y\nContent-Encoding: br\nContent-Range: bytes 0-8/9\nContent-Length: 0", false,
                 "Content-Encoding: gzip\nContent-Range: bytes 0-1/2\nContent-Length: 7\nDate: y\n");
    check_update(*state, "Foo: 1\nDate: x",
                 "Date: y\nConnection: foo, close\nFoo: 2\nKeep-Alive: 1\nTransfer-Encoding: chunked\n"
                 "Proxy-Authenticate: 1\nProxy-Authentication-Info: 1\nUpgrade: 1\nTrailer: 1", false,
                 "Foo: 1\nDate: y\n");
    check_update(*state, "Date: x", "Date: y\nSet-Cookie: a", false, "Date: y\n");
    check_update(*state, "Set-Cookie: a\nDate: x", "Date: y\nSet-Cookie: b", true,
                 "Date: y\nSet-Cookie: b\n");
}

/* RFC 9110 6.6.1; RFC 9111 4.2.3: the age counts from the validation. */
static void date_and_age_are_the_newer_ones(void **state)
{
    check_update(*state, "Date: x\nAge: 5\nA: 1", "B: 1", false,
                 "A: 1\nB: 1\nDate: Sun, 06 Nov 1994 08:49:37 GMT\n");
    check_update(*state, "Date: x\nAge: 5", "Date: y\nAge: 6", false, "Date: y\nAge: 6\n");
    check_update(*state, "", "", false, "Date: Sun, 06 Nov 1994 08:49:37 GMT\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_304_selects),
        WITH_ARENA(a_head_matches),
        WITH_ARENA(fields_are_replaced_by_name),
        WITH_ARENA(some_fields_are_left),
        WITH_ARENA(date_and_age_are_the_newer_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
