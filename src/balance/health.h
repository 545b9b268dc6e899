// SPDX-License-Identifier: MIT
/* Who is fit to be asked, and how busy he seems. All under the group's lock. */
#ifndef BALANCE_HEALTH_H
#define BALANCE_HEALTH_H

#include "balance/picker.h"

/* How a request ended at a peer. */
struct ending {
    bool     is_failure;                 /* counts against max_fails */
    bool     is_unreached;               /* there was no connection */
    unsigned status;                     /* of the peer's answer; 0: there was none */
    int64_t  head_us, whole_us;          /* from the choice to the answer's head, to its end; 0: did not
                                            come to that */
    int64_t  picked_ms;                  /* when it was chosen: pick_ask's now_ms */
};

/* A failure, or an answer of 5xx. */
bool     ending_is_bad(const struct ending *ending);

/* Neither down, unhealthy by an active check, failed nor ejected. */
bool     peer_is_up(const struct peer *peer, int64_t now_ms);
/* The parts of that: left alone for its failures. */
bool     peer_is_failed(const struct peer *peer, int64_t now_ms);
/* Back, and growing into its weight. */
bool     peer_is_slow(const struct peer *peer, int64_t now_ms);
bool     peer_is_full(const struct peer *peer);
/* Up, not full and not tried before: for whom is bound to it. For all others it must not drain. */
bool     peer_may_keep(const struct peer *peer, const struct pick_ask *ask);
bool     peer_is_usable(const struct peer *peer, const struct pick_ask *ask);
bool     peer_is_tried(const struct peer *peer, const struct pick_ask *ask);
/* In WEIGHT_ONE, at least 1. One with slow_start that is back grows into its weight. */
uint64_t peer_weight(const struct peer *peer, int64_t now_ms);
/* Requests in flight per weight, in parts. One that fails of late is never taken to be quieter than
 * the others are on average: it is idle because it fails, and would draw all requests. One that
 * starts slowly is not either, while it has too little weight for another request. */
uint64_t peer_load(const struct roster *roster, const struct peer *peer, int64_t now_ms);
/* What one request more would add to that. */
uint64_t peer_load_of_one(const struct peer *peer, int64_t now_ms);
bool     peer_is_sour(const struct peer *peer, int64_t now_ms);

/* It was not fit to be asked and is from now on: slow_start begins. */
void health_returned(struct peer *peer, int64_t now_ms);

/* The same by an active check, which knows better than failures of long ago. */
void health_recovered(struct peer *peer, int64_t now_ms);

/* Taken out because it could not be reached, or by an active check, since then: who has been connecting
 * to it for longer need not wait for the end. */
bool     health_is_lost(const struct peer *peer, int64_t since_ms, int64_t now_ms);

/* Takes note of an end. True: by this failure it is left alone from now on. */
bool health_note(struct peer *peer, const struct ending *ending);
/* Whether health_note() would change anything: false for most, so that they need no lock. (With
 * outlier_ejection every end matters: group->has_to_tell.) */
bool health_matters(const struct peer *peer, const struct ending *ending);

#endif
