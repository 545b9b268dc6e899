// SPDX-License-Identifier: MIT
/* What it costs to ask a peer, in time; for `least_time` and `random two least_time`. */
#ifndef BALANCE_PICK_TIME_H
#define BALANCE_PICK_TIME_H

#include "balance/health.h"

/* Time of an answer by requests in flight (with the one to come) per weight; 0: nothing is known yet,
 * and nobody is finding out. Under the group's lock. */
double pick_time_cost(const struct roster *roster, const struct peer *peer, int64_t now_ms);

/* For a group whose method is timed: a request is with the peer since `picked_ms`; its answer's head
 * has come (the rest of `ending` is not known yet); it is over. Under the group's lock. */
void pick_time_begin(struct peer *peer, int64_t picked_ms);
void pick_time_head(struct peer *peer, const struct ending *ending, int64_t now_ms);
void pick_time_end(struct peer *peer, const struct ending *ending, int64_t now_ms);

#endif
