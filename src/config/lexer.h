// SPDX-License-Identifier: MIT
/* Configuration text to words, by nginx's rules (quotes and escapes included), each with the place
 * that a caret can point to. Words live in the arena or in the text itself; one thread. */
#ifndef CONFIG_LEXER_H
#define CONFIG_LEXER_H

#include <stdbool.h>

#include "config/diagnose.h"

struct source_file {
    const char *path;                    /* NUL-terminated; "command line" for -g */
    struct text text;
    unsigned    number;                  /* in the order of reading */
    bool        is_command_line;
};

struct word {
    struct text               text;      /* unquoted */
    const struct source_file *file;
    unsigned                  line, column, width;   /* of the word as written; from 1 */
};

enum token { TOKEN_WORD = 0, TOKEN_SEMICOLON, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_END,
             TOKEN_BAD /* complained already; reading on is fine */ };

struct lexer {
    struct arena             *arena;
    struct diagnoses         *diagnoses;
    const struct source_file *file;
    size_t                    at;
    unsigned                  line;
    size_t                    line_start;   /* offset of the line's first byte */
    bool                      has_ended;  /* the reader has met the end: complaints once */
    unsigned                  open_quote_line;   /* the text ended within it; 0: no */
};

void       lexer_init(struct lexer *lexer, struct arena *arena, struct diagnoses *diagnoses,
                      const struct source_file *file);
/* `ret_word` has the place of any token, and the text of a word. */
enum token lexer_next(struct lexer *lexer, struct word *ret_word);

/* Adds a finding at a word's place; returns it for a hint, never NULL. */
struct diagnosis *word_complain(struct diagnoses *diagnoses, enum log_level level,
                                const struct word *word, const char *format, ...)
    PRINTF_LIKE(4, 5);

#endif
