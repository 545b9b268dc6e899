// SPDX-License-Identifier: MIT
/* The servers behind the proxy, played by chance: what they do to a connection and to a request
 * depends on how kind the schedule is. */
#ifndef TESTS_SIM_ORIGINS_H
#define TESTS_SIM_ORIGINS_H

#include "asks.h"

/* What an origin does with one request. */
enum doing {
    DO_ANSWER = 0, DO_ANSWER_EARLY, DO_FAIL /* an error status */, DO_SILENCE, DO_CLOSE, DO_RESET,
    DO_CUT_CLOSE, DO_CUT_RESET /* in the middle of the answer */, DO_GARBAGE, DO_LARGE_HEAD,
    DO_STALL /* in the middle of the answer */, DO_SURPLUS /* an answer behind the answer */,
    DO_SWITCH /* protocols, unasked */, DOINGS
};

/* What a connection does as we send on it, before we can know: with a second request, or, ANSWERS,
 * with the body of one: it says all of its answer and is gone. */
enum using { USED_SERVES = 0, USED_CLOSES, USED_RESETS, USED_ANSWERS };

/* For tests of an exact order: what connections and requests meet, instead of chance. */
struct origin_orders {
    enum taking   taking;
    enum doing    doing;
    int64_t       think_us;              /* before it answers */
    struct answer answer;
    enum using    used;
    const char   *says;                  /* instead of the room's; or NULL */
};

/* `kindness`: 1 in how many things goes wrong; 0: none ever. Origins at 10.0.0.1 to 10.0.0.10. */
void     origins_begin(unsigned kindness, const struct origin_orders *orders);
void     origins_end(void);
/* Connections that still stand. */
unsigned origins_open(void);
/* Those that rest close, and their end arrives at once. */
void     origins_close_resting(void);

#endif
