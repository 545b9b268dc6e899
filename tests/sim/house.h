// SPDX-License-Identifier: MIT
/* The real proxy, all but its main layer: a loop, a front with doors, and configurations compiled
 * from text, on the simulated kernel. One per run. */
#ifndef TESTS_SIM_HOUSE_H
#define TESTS_SIM_HOUSE_H

#include <stdbool.h>
#include <stdint.h>

/* Opens doors on ROOM_PORT and ROOM_SECOND_PORT with the configuration of that text, for so many
 * clients at a time. */
void house_open(const char *text, unsigned connections_most);
/* Another configuration, in place. Between two turns. */
void house_reload(const char *text);
/* Runs the loop until house_leave() has come to its end. */
void house_run(void);
/* No more clients; ends when the last is gone, or cuts them at that time. Between two turns. */
void house_leave(int64_t cut_at_us);
/* Everything of it is gone: checks that, and frees the loop. */
void house_close(void);

bool     house_is_leaving(void);
/* From the debug log: the steps that exchanges entered, " route rewrite access" and so on; the
 * lines above debug, and when the last was said. */
const char *house_steps(void);
const char *house_words(void);
int64_t     house_words_us(void);
void        house_listen_to_steps(bool is_on);

#endif
