// SPDX-License-Identifier: MIT
/* What `ps` shows for this process. */
#ifndef MAIN_TITLE_H
#define MAIN_TITLE_H

/* First thing in main(), before other threads: remembers where the arguments stand, and moves the
 * environment away from behind them to make room. Returns a copy of the arguments, to be used from
 * then on. */
char **title_init(int argc, char **argv);
/* "frontdesk: master process ARGUMENTS" or "frontdesk: worker process". */
void title_set_master(void);
void title_set_worker(void);

#endif
