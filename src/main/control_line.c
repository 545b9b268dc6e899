// SPDX-License-Identifier: MIT
/* One pass, a word at a time; nothing is guessed. Writing quotes only what needs it. */
#include "main/control_line.h"

#include <errno.h>

#include "base/writer.h"

static const char bad_byte[] = "a control character";
static const char too_long[] = "the command is too long";
static const char too_many[] = "too many words";
static const char no_words[] = "no command";

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

static bool is_plain(char c)
{
    return !is_control(c) && c != ' ' && c != '"' && c != '\\';
}

static int refuse(const char *why, const char **reterr_why)
{
    *reterr_why = why;
    return -EINVAL;
}

/* ---- reading ---- */

/* *at is behind the quote that begins the word; afterwards behind the one that ends it. */
static int quoted_read(struct text line, size_t *at, struct arena *arena, struct text *ret_word,
                       const char **reterr_why)
{
    struct writer writer = writer_arena(arena, 64);
    size_t        i = *at;

    for (; i < line.len && line.ptr[i] != '"'; i++) {
        if (line.ptr[i] == '\\') {
            i++;
            if (i == line.len || (line.ptr[i] != '"' && line.ptr[i] != '\\'))
                return refuse("only \" and \\ may follow a \\", reterr_why);
        }
        if (is_control(line.ptr[i]))
            return refuse(bad_byte, reterr_why);
        writer_char(&writer, line.ptr[i]);
    }
    if (i == line.len)
        return refuse("a quote that does not end", reterr_why);
    *at = i + 1;
    *ret_word = writer_done(&writer);
    return 0;
}

static int word_read(struct text line, size_t *at, struct arena *arena, struct text *ret_word,
                     const char **reterr_why)
{
    size_t start = *at;

    if (start < line.len && line.ptr[start] == '"') {
        ++*at;
        return quoted_read(line, at, arena, ret_word, reterr_why);
    }
    while (*at < line.len && is_plain(line.ptr[*at]))
        ++*at;
    if (*at == start)
        return refuse(start < line.len && is_control(line.ptr[start]) ? bad_byte
                                                                      : "a word is missing",
                      reterr_why);
    *ret_word = text_part(line, start, *at - start);
    return 0;
}

int control_line_read(struct text line, struct arena *arena, struct control_line *ret_line,
                      const char **reterr_why)
{
    size_t at = 0;

    ret_line->count = 0;
    if (line.len == 0)
        return refuse(no_words, reterr_why);
    if (line.len >= CONTROL_LINE_MOST)
        return refuse(too_long, reterr_why);
    for (;;) {
        struct text *word = &ret_line->words[ret_line->count];

        if (ret_line->count == CONTROL_WORDS_MOST)
            return refuse(too_many, reterr_why);
        if (word_read(line, &at, arena, word, reterr_why) < 0)
            return -EINVAL;
        ret_line->count++;
        if (at == line.len)
            return 0;
        if (line.ptr[at] != ' ')
            return refuse(is_control(line.ptr[at]) ? bad_byte : "a space is missing after a word",
                          reterr_why);
        at++;
    }
}

/* ---- writing ---- */

static bool needs_quotes(struct text word)
{
    for (size_t i = 0; i < word.len; i++)
        if (!is_plain(word.ptr[i]))
            return true;
    return word.len == 0;
}

static bool has_control(struct text word)
{
    for (size_t i = 0; i < word.len; i++)
        if (is_control(word.ptr[i]))
            return true;
    return false;
}

static void word_write(struct writer *writer, struct text word)
{
    if (!needs_quotes(word)) {
        writer_text(writer, word);
        return;
    }
    writer_char(writer, '"');
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] == '"' || word.ptr[i] == '\\')
            writer_char(writer, '\\');
        writer_char(writer, word.ptr[i]);
    }
    writer_char(writer, '"');
}

int control_line_write(const struct control_line *line, struct arena *arena, struct text *ret_text,
                       const char **reterr_why)
{
    struct writer writer = writer_arena(arena, 256);

    if (line->count == 0)
        return refuse(no_words, reterr_why);
    if (line->count > CONTROL_WORDS_MOST)
        return refuse(too_many, reterr_why);
    for (unsigned i = 0; i < line->count; i++) {
        if (has_control(line->words[i]))
            return refuse(bad_byte, reterr_why);
        if (i > 0)
            writer_char(&writer, ' ');
        word_write(&writer, line->words[i]);
        if (writer.len >= CONTROL_LINE_MOST)
            return refuse(too_long, reterr_why);
    }
    *ret_text = writer_done(&writer);
    return 0;
}
