// SPDX-License-Identifier: MIT
/* Which command a line means. Pure functions. */
#ifndef MAIN_CONTROL_TABLE_H
#define MAIN_CONTROL_TABLE_H

#include "main/control.h"

/* NULL: there is none. *ret_name_words: how many words its name has. */
const struct control_command *control_table_find(const struct control_command *commands,
                                                 const struct control_line *line,
                                                 unsigned *ret_name_words);
/* The one that was meant by it perhaps, or NULL. */
const struct control_command *control_table_nearest(const struct control_command *commands,
                                                    const struct control_line *line);

#endif
