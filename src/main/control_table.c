// SPDX-License-Identifier: MIT
/* The tables are short and commands rare: everything is looked through. */
#include "main/control_table.h"

enum { TYPOS_MOST = 2 };

/* How many words of the line the name is; 0: it is not. */
static unsigned name_match(struct text name, const struct control_line *line)
{
    struct text word;
    unsigned    count = 0;

    while (text_split(&name, ' ', &word)) {
        if (count == line->count || !text_is_equal(word, line->words[count]))
            return 0;
        count++;
    }
    return count;
}

const struct control_command *control_table_find(const struct control_command *commands,
                                                 const struct control_line *line,
                                                 unsigned *ret_name_words)
{
    const struct control_command *best = NULL;
    unsigned                      most = 0;

    for (const struct control_command *at = commands; at->name != NULL; at++) {
        unsigned count = name_match(text_from(at->name), line);

        if (count > most) {
            most = count;
            best = at;
        }
    }
    *ret_name_words = most;
    return best;
}

/* Typing errors in all its words together; TYPOS_MOST + 1: it is another. */
static unsigned name_distance(struct text name, const struct control_line *line)
{
    struct text word;
    unsigned    count = 0, typos = 0;

    while (text_split(&name, ' ', &word) && typos <= TYPOS_MOST) {
        if (count == line->count)
            return TYPOS_MOST + 1;
        typos += text_distance(word, line->words[count++], TYPOS_MOST);
    }
    return typos;
}

const struct control_command *control_table_nearest(const struct control_command *commands,
                                                    const struct control_line *line)
{
    const struct control_command *best = NULL;
    unsigned                      least = TYPOS_MOST + 1;

    for (const struct control_command *at = commands; at->name != NULL; at++) {
        unsigned typos = name_distance(text_from(at->name), line);

        if (typos < least) {
            least = typos;
            best = at;
        }
    }
    return best;
}
