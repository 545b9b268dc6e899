// SPDX-License-Identifier: MIT
/* Where a worker that is about to die still writes: the main level's error log of the newest
 * configuration, directly and not through a sink; standard error before there is one.
 *
 * Turned to another file on the control thread; used on any. */
#ifndef MAIN_LAST_WORDS_H
#define MAIN_LAST_WORDS_H

#include "base/log.h"

const struct log *last_words_log(void);
int               last_words_fd(void);
/* A copy of the descriptor is kept. */
void last_words_turn_to(int fd);

/* What must() has to say goes there too; called once. */
void last_words_begin(void);

#endif
