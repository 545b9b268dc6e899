// SPDX-License-Identifier: MIT
/* The rules, which every nginx.conf of the world relies on:
 *
 * - `}`, `#`, `"` and `'` count only where a word may start; `;` and `{` end a word too, but for the
 *   `{` of "${name}".
 * - A backslash hides the next character from these rules. When the word is built, \" \' and \\ lose
 *   the backslash, \t \r \n become the character, and any other backslash stays, so that regular
 *   expressions survive.
 * - Behind a closing quote there must be white space, `;`, `{` or `)`. */
#include "config/lexer.h"

#include <stdarg.h>
#include <stdio.h>

enum { WORD_MOST = 4096, MESSAGE_BYTES = 2048, START_SHOWN = 10 };

void lexer_init(struct lexer *lexer, struct arena *arena, struct diagnoses *diagnoses,
                const struct source_file *file)
{
    *lexer = (struct lexer){ .arena = arena, .diagnoses = diagnoses, .file = file, .line = 1 };
}

struct diagnosis *word_complain(struct diagnoses *diagnoses, enum log_level level,
                                const struct word *word, const char *format, ...)
{
    char              message[MESSAGE_BYTES];
    struct diagnosis *diagnosis;
    va_list           arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    diagnosis =
        diagnoses_add(diagnoses, level, text_from(message),
                      word == NULL ? 0 : word->file->number + 1, word == NULL ? 0 : word->line);
    if (word == NULL)
        return diagnosis;
    diagnosis->file = arena_string(diagnoses->arena, text_from(word->file->path));
    diagnosis->line = word->file->is_command_line ? 0 : word->line;
    diagnosis->column = word->column;
    diagnosis->width = word->width;
    diagnosis->source_line = diagnose_line_of(diagnoses->arena, word->file->text, word->line);
    return diagnosis;
}

/* ---- bytes ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_at_end(const struct lexer *lexer)
{
    return lexer->at >= lexer->file->text.len;
}

static char peek(const struct lexer *lexer)
{
    return lexer->file->text.ptr[lexer->at];
}

static void skip_byte(struct lexer *lexer)
{
    if (peek(lexer) == '\n') {
        lexer->line++;
        lexer->line_start = lexer->at + 1;
    }
    lexer->at++;
}

static void skip_space_and_comments(struct lexer *lexer)
{
    bool is_comment = false;

    for (; !is_at_end(lexer); skip_byte(lexer)) {
        char c = peek(lexer);

        if (c == '\n')
            is_comment = false;
        else if (c == '#')
            is_comment = true;
        if (!is_comment && !is_space(c))
            return;
    }
}

static struct word place_here(const struct lexer *lexer)
{
    return (struct word){ .text = TEXT(""), .file = lexer->file, .line = lexer->line,
                          .column = (unsigned)(lexer->at - lexer->line_start) + 1, .width = 1 };
}

/* ---- words ---- */

static char unescaped(char c)
{
    switch (c) {
    case '"': case '\'': case '\\': return c;
    case 't': return '\t';
    case 'r': return '\r';
    case 'n': return '\n';
    default: return '\0';
    }
}

static struct text word_build(struct lexer *lexer, struct text raw)
{
    char  *bytes;
    size_t len = 0;

    if (text_find(raw, '\\') == raw.len)
        return raw;
    bytes = arena_bytes(lexer->arena, raw.len);
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i], plain = '\0';

        if (c == '\\' && i + 1 < raw.len)
            plain = unescaped(raw.ptr[i + 1]);
        if (plain != '\0')
            i++;
        bytes[len++] = plain != '\0' ? plain : c;
    }
    return text_of(bytes, len);
}

/* Up to and without what ends the word. `quote` is '\0' for a bare word. False: the text ended. */
static bool skip_word(struct lexer *lexer, char quote)
{
    bool is_hidden = false, is_after_dollar = false;

    for (; !is_at_end(lexer); skip_byte(lexer)) {
        char c = peek(lexer);

        if (is_hidden) {
            is_hidden = false;
            continue;
        }
        if (c == '{' && is_after_dollar)
            continue;
        is_after_dollar = c == '$';
        is_hidden = c == '\\';
        if (quote != '\0' ? c == quote : is_space(c) || c == ';' || c == '{')
            return true;
    }
    return false;
}

static bool is_too_long(struct lexer *lexer, const struct word *word, size_t start, char quote)
{
    struct text raw = text_part(lexer->file->text, start, lexer->at - start);

    if (raw.len < WORD_MOST)
        return false;
    if (quote != '\0')
        word_complain(lexer->diagnoses, LOG_EMERG, word,
                      "too long parameter, probably missing terminating \"%c\" character", quote);
    else
        word_complain(lexer->diagnoses, LOG_EMERG, word, "too long parameter \"%.*s...\" started",
                      START_SHOWN, raw.ptr);
    return true;
}

static enum token after_quote(struct lexer *lexer)
{
    char c;

    skip_byte(lexer);
    if (is_at_end(lexer))
        return TOKEN_WORD;
    c = peek(lexer);
    if (is_space(c) || c == ';' || c == '{' || c == ')')
        return TOKEN_WORD;

    struct word place = place_here(lexer);
    word_complain(lexer->diagnoses, LOG_EMERG, &place, "unexpected \"%c\"", c)->hint =
        TEXT("a closing quote ends the word: white space, \";\" or \"{\" must follow");
    return TOKEN_BAD;
}

static enum token read_word(struct lexer *lexer, struct word *word)
{
    size_t     start = lexer->at;
    char       quote = peek(lexer) == '"' || peek(lexer) == '\'' ? peek(lexer) : '\0';
    enum token token = TOKEN_WORD;
    struct text raw;
    bool       is_whole;

    if (quote != '\0')
        skip_byte(lexer);
    is_whole = skip_word(lexer, quote);
    if (is_too_long(lexer, word, start, quote))
        token = TOKEN_BAD;
    if (!is_whole && quote != '\0')
        lexer->open_quote_line = word->line;
    if (quote == '\0') {
        raw = text_part(lexer->file->text, start, lexer->at - start);
    } else {
        raw = text_part(lexer->file->text, start + 1, lexer->at - start - 1);
        if (is_whole && after_quote(lexer) == TOKEN_BAD)
            token = TOKEN_BAD;
    }
    word->text = word_build(lexer, raw);
    word->width = lexer->line == word->line ? (unsigned)(lexer->at - start) : 1;
    return token;
}

enum token lexer_next(struct lexer *lexer, struct word *ret_word)
{
    enum token token = TOKEN_WORD;

    skip_space_and_comments(lexer);
    *ret_word = place_here(lexer);
    if (is_at_end(lexer))
        return TOKEN_END;
    switch (peek(lexer)) {
    case ';': token = TOKEN_SEMICOLON; break;
    case '{': token = TOKEN_OPEN; break;
    case '}': token = TOKEN_CLOSE; break;
    default: return read_word(lexer, ret_word);
    }
    skip_byte(lexer);
    return token;
}
