// SPDX-License-Identifier: MIT
/* `frontdesk cache ...` before it is sent: help, and mistakes that can be told without asking. */
#ifndef MAIN_CACHE_COMMAND_H
#define MAIN_CACHE_COMMAND_H

#include "main/control_line.h"

/* On standard output. */
void cache_command_help(void);
/* `asked` begins with "cache". -EINVAL with a sentence in the arena. */
int  cache_command_check(const struct control_line *asked, struct arena *arena,
                         struct text *reterr_message) WARN_UNUSED;

#endif
