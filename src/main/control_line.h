// SPDX-License-Identifier: MIT
/* A command as one line of words, as it travels over the control socket.
 *
 * Words stand apart by single spaces. A word of printable ASCII and bytes above it, without space, `"`
 * and `\`, stands for itself; any other, the empty one too, stands in quotes, in which `\"` and `\\` are
 * the only escapes. Control characters occur nowhere. Pure functions, any thread. */
#ifndef MAIN_CONTROL_LINE_H
#define MAIN_CONTROL_LINE_H

#include "base/arena.h"
#include "base/must.h"
#include "base/text.h"

enum { CONTROL_LINE_MOST = 16 * 1024, CONTROL_WORDS_MOST = 64 };

struct control_line {
    struct text words[CONTROL_WORDS_MOST];
    unsigned    count;                   /* at least 1 */
};

/* `line` without its line feed; words live in the arena or in the line. -EINVAL: *reterr_why says what
 * is wrong with it. */
int control_line_read(struct text line, struct arena *arena, struct control_line *ret_line,
                      const char **reterr_why) WARN_UNUSED;

/* Without the line feed. -EINVAL: no words or too many, too long, or a control character in one. */
int control_line_write(const struct control_line *line, struct arena *arena, struct text *ret_text,
                       const char **reterr_why) WARN_UNUSED;

#endif
