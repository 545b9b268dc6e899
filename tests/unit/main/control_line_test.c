// SPDX-License-Identifier: MIT
/* control_line: words in and out of the line that travels over the control socket. */
#include "base/unit.h"

#include <errno.h>
#include <string.h>

#include "main/control_line.h"

static struct arena       *arena;
static struct control_line line;
static const char         *why;

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

static int read_text(struct text text)
{
    why = NULL;
    return control_line_read(text, arena, &line, &why);
}

#define READ(literal) read_text(TEXT(literal))
#define assert_refused(reason, literal)             \
    do {                                            \
        assert_int_equal(READ(literal), -EINVAL);   \
        assert_string_equal(why, reason);           \
    } while (0)

static void plain_words_stand_for_themselves(void **state)
{
    (void)state;
    assert_int_equal(READ("cache purge --soft http://h/a?b=c*"), 0);
    assert_int_equal(line.count, 4);
    CHECK_TEXT(line.words[0], "cache");
    CHECK_TEXT(line.words[3], "http://h/a?b=c*");
    assert_int_equal(READ("x"), 0);
    assert_int_equal(line.count, 1);
    assert_int_equal(READ("t\xc3\xa4g"), 0);
    CHECK_TEXT(line.words[0], "t\xc3\xa4g");
}

static void quotes_hold_spaces_and_escapes(void **state)
{
    (void)state;
    assert_int_equal(READ("a \"\" \"b c\" \"\\\"\\\\\" d"), 0);
    assert_int_equal(line.count, 5);
    CHECK_TEXT(line.words[1], "");
    CHECK_TEXT(line.words[2], "b c");
    CHECK_TEXT(line.words[3], "\"\\");
    CHECK_TEXT(line.words[4], "d");
}

static void what_is_not_a_line_of_words_is_refused(void **state)
{
    (void)state;
    assert_refused("no command", "");
    assert_refused("a word is missing", " a");
    assert_refused("a word is missing", "a ");
    assert_refused("a word is missing", "a  b");
    assert_refused("a word is missing", "\\a");
    assert_refused("a space is missing after a word", "a\"b\"");
    assert_refused("a space is missing after a word", "\"a\"b");
    assert_refused("a space is missing after a word", "a\\");
    assert_refused("a quote that does not end", "\"a");
    assert_refused("a quote that does not end", "a \"");
    assert_refused("only \" and \\ may follow a \\", "\"\\n\"");
    assert_refused("only \" and \\ may follow a \\", "\"\\");
}

static void control_characters_are_refused_everywhere(void **state)
{
    (void)state;
    assert_refused("a control character", "a\r");
    assert_refused("a control character", "\ta");
    assert_refused("a control character", "a \x7f");
    assert_refused("a control character", "\"a\tb\"");
    assert_refused("a control character", "\"a\"\r");
    assert_refused("a control character", "a\0b");
    assert_refused("a control character", "\"\0\"");
}

static void the_number_of_words_is_bounded(void **state)
{
    char bytes[2 * CONTROL_WORDS_MOST + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i % 2 == 0 ? 'w' : ' ';
    assert_int_equal(read_text(text_of(bytes, 2 * CONTROL_WORDS_MOST - 1)), 0);
    assert_int_equal(line.count, CONTROL_WORDS_MOST);
    assert_int_equal(read_text(text_of(bytes, sizeof(bytes))), -EINVAL);
    assert_string_equal(why, "too many words");
}

static void the_length_is_bounded(void **state)
{
    static char bytes[CONTROL_LINE_MOST];
    struct text text;

    (void)state;
    memset(bytes, 'w', sizeof(bytes));
    assert_int_equal(read_text(text_of(bytes, CONTROL_LINE_MOST - 1)), 0);
    assert_int_equal(control_line_write(&line, arena, &text, &why), 0);
    assert_int_equal(read_text(text_of(bytes, CONTROL_LINE_MOST)), -EINVAL);
    assert_string_equal(why, "the command is too long");
    line = (struct control_line){ .count = 1, .words = { text_of(bytes, CONTROL_LINE_MOST) } };
    assert_int_equal(control_line_write(&line, arena, &text, &why), -EINVAL);
    assert_string_equal(why, "the command is too long");
}

static void what_is_written_reads_the_same(void **state)
{
    const struct control_line words = {
        .count = 5, .words = { TEXT("a"), TEXT(""), TEXT("b c"), TEXT("\"\\"), TEXT("'x'*") }
    };
    struct text text;

    (void)state;
    assert_int_equal(control_line_write(&words, arena, &text, &why), 0);
    CHECK_TEXT(text, "a \"\" \"b c\" \"\\\"\\\\\" 'x'*");
    assert_int_equal(read_text(text), 0);
    assert_int_equal(line.count, words.count);
    for (unsigned i = 0; i < words.count; i++)
        assert_true(text_is_equal(line.words[i], words.words[i]));
}

static void no_words_and_control_characters_are_not_written(void **state)
{
    struct control_line none = { .count = 0 }, feed = { .count = 1, .words = { TEXT("a\nb") } };
    struct text         text;

    (void)state;
    assert_int_equal(control_line_write(&none, arena, &text, &why), -EINVAL);
    assert_string_equal(why, "no command");
    assert_int_equal(control_line_write(&feed, arena, &text, &why), -EINVAL);
    assert_string_equal(why, "a control character");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_words_stand_for_themselves),
        cmocka_unit_test(quotes_hold_spaces_and_escapes),
        cmocka_unit_test(what_is_not_a_line_of_words_is_refused),
        cmocka_unit_test(control_characters_are_refused_everywhere),
        cmocka_unit_test(the_number_of_words_is_bounded),
        cmocka_unit_test(the_length_is_bounded),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(no_words_and_control_characters_are_not_written),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
