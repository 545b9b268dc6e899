// SPDX-License-Identifier: MIT
/* -s: a signal to the running supervisor, found through its pid file. */
#ifndef MAIN_TELL_H
#define MAIN_TELL_H

#include "main/options.h"
#include "main/report.h"

/* Returns the exit status. */
int tell_run(const struct options *options, const struct report *report);

#endif
