// SPDX-License-Identifier: MIT
/* When to start a worker again that has ended: at once, unless that happens too often. Pure but for
 * the log line; the clock is the caller's. */
#ifndef MAIN_RESTARTS_H
#define MAIN_RESTARTS_H

#include <stdbool.h>
#include <stdint.h>

enum { RESTARTS_MOST = 6, RESTARTS_WITHIN_MS = 10000, RESTARTS_HOLD_MS = 1000,
       RESTARTS_HOLD_MOST_MS = 30000 };

struct restarts {
    int64_t  ends_ms[RESTARTS_MOST];     /* ring of the last ones */
    unsigned count;                      /* ever */
    int64_t  next_ms;                    /* when to start again */
    int64_t  hold_ms;                    /* how long to wait the next time; 0: not holding */
};

/* A worker has ended that should not have. */
void    restarts_note(struct restarts *restarts, int64_t now_ms);
/* Waits, twice as long each time. */
void    restarts_hold(struct restarts *restarts, int64_t now_ms);
/* The last RESTARTS_MOST ends came within RESTARTS_WITHIN_MS. */
bool    restarts_are_too_many(const struct restarts *restarts);
int64_t restarts_when_ms(const struct restarts *restarts);

#endif
