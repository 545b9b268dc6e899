// SPDX-License-Identifier: MIT
/* lexer: words as nginx splits them, and where they stand. A token is written as its word in
 * brackets, or as the sign that it is; "!" is one that was complained of. */
#include "check.h"

#include "base/writer.h"
#include "config/lexer.h"

static struct text tokens_of(struct arena *arena, struct text source, unsigned *ret_errors)
{
    static struct source_file file;
    struct writer             writer = writer_arena(arena, 64);
    struct diagnoses          diagnoses;
    struct lexer              lexer;
    struct word               word;

    file = (struct source_file){ .path = "x", .text = source, .number = 1 };
    diagnoses_init(&diagnoses, arena);
    lexer_init(&lexer, arena, &diagnoses, &file);
    for (;;) {
        switch (lexer_next(&lexer, &word)) {
        case TOKEN_WORD: writer_format(&writer, "[%.*s]", TEXT_ARGS(word.text)); break;
        case TOKEN_SEMICOLON: writer_char(&writer, ';'); break;
        case TOKEN_OPEN: writer_char(&writer, '{'); break;
        case TOKEN_CLOSE: writer_char(&writer, '}'); break;
        case TOKEN_BAD: writer_char(&writer, '!'); break;
        case TOKEN_END:
            *ret_errors = diagnoses.errors;
            return writer_done(&writer);
        }
    }
}

static const struct { const char *source, *tokens; } rows[] = {
    { "", "" },
    { " \t\r\n", "" },
    { "a b;", "[a][b];" },
    { "a{b;}", "[a]{[b];}" },
    { "a}b;", "[a}b];" },
    { "}a", "}[a]" },
    { "a;b", "[a];[b]" },
    { "# comment ; {\na;", "[a];" },
    { "a#b;", "[a#b];" },
    { "a # b\n;", "[a];" },
    { "'a b';", "[a b];" },
    { "\"a;{}#b\";", "[a;{}#b];" },
    { "'a\nb';", "[a\nb];" },
    { "a'b;", "[a'b];" },
    { "a\"b c\";", "[a\"b][c\"];" },
    { "'a''b';", "![b];" },
    { "'a')b;", "[a][)b];" },
    { "'a'{", "[a]{" },
    { "''", "[]" },
    { "\\;a;", "[\\;a];" },
    { "a\\ b;", "[a\\ b];" },
    { "a\\{b;", "[a\\{b];" },
    { "'\\'';", "[']; " },
    { "\"a\\\"b\\'c\\\\d\\te\\rf\\ng\\.h\";", "[a\"b'c\\d\te\rf\ng\\.h];" },
    { "a\\", "[a\\]" },
    { "${a};", "[${a}];" },
    { "x${a}y{", "[x${a}y]{" },
    { "$a{", "[$a]{" },
    { "${a", "[${a]" },
    { "'open", "[open]" },
    { "a\rb\tc", "[a][b][c]" },
};

static void test_tokens(void **state)
{
    unsigned errors;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text got = tokens_of(*state, text_from(rows[i].source), &errors);
        struct text wanted = text_trim(text_from(rows[i].tokens));

        if (!text_is_equal(got, wanted))
            fail_msg("%s: got %.*s, wanted %.*s", rows[i].source, TEXT_ARGS(got),
                     TEXT_ARGS(wanted));
        assert_int_equal(errors > 0, text_find(wanted, '!') < wanted.len);
    }
}


static void test_places(void **state)
{
    static struct source_file file = { .path = "x", .text = { "a\n  bb 'c'\n;", 12 } };
    struct diagnoses          diagnoses;
    struct lexer              lexer;
    struct word               word;

    diagnoses_init(&diagnoses, *state);
    lexer_init(&lexer, *state, &diagnoses, &file);
    assert_int_equal(lexer_next(&lexer, &word), TOKEN_WORD);
    assert_int_equal(word.line, 1);
    assert_int_equal(word.column, 1);
    assert_int_equal(lexer_next(&lexer, &word), TOKEN_WORD);
    assert_int_equal(word.line, 2);
    assert_int_equal(word.column, 3);
    assert_int_equal(word.width, 2);
    assert_int_equal(lexer_next(&lexer, &word), TOKEN_WORD);
    assert_int_equal(word.column, 6);
    assert_int_equal(word.width, 3);
    assert_int_equal(lexer_next(&lexer, &word), TOKEN_SEMICOLON);
    assert_int_equal(word.line, 3);
    assert_int_equal(lexer_next(&lexer, &word), TOKEN_END);
}

/* One byte less than nginx's buffer is fine. */
static void test_longest_word(void **state)
{
    struct arena *arena = *state;
    char         *bytes = arena_bytes(arena, 4097);
    unsigned      errors;

    for (size_t i = 0; i < 4096; i++)
        bytes[i] = 'a';
    (void)tokens_of(arena, text_of(bytes, 4095), &errors);
    assert_int_equal(errors, 0);
    (void)tokens_of(arena, text_of(bytes, 4096), &errors);
    assert_int_equal(errors, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(test_tokens), WITH_ARENA(test_places),
        WITH_ARENA(test_longest_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
