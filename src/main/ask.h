// SPDX-License-Identifier: MIT
/* A command for the running frontdesk: `frontdesk cache ...`, `frontdesk status`. Its control socket is
 * where the configuration says, or --socket; what it answers is printed. */
#ifndef MAIN_ASK_H
#define MAIN_ASK_H

#include "main/options.h"

/* Returns the exit status: 0 when the answer is "ok". */
int ask_run(const struct options *options, struct arena *arena);

#endif
