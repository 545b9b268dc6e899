// SPDX-License-Identifier: MIT
/* -t and -T: is the configuration good, and would a start succeed? */
#ifndef MAIN_CHECK_H
#define MAIN_CHECK_H

#include "main/options.h"
#include "main/report.h"

/* Returns the exit status: 1 when anything is wrong. */
int check_run(const struct options *options, const struct report *report);

#endif
