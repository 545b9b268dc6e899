// SPDX-License-Identifier: MIT
/* Two attempts at once (proxy_hedge): when a safe request's answer has not begun after a time in which
 * nearly all others have, another peer is asked as well, and whoever answers first is the one.
 *
 * There is one attempt on the stage (the fields of the exchange that say connector, peer, chosen,
 * last_attempt, ...) and at most one in the wings. To go on with that one the two change places, so no
 * step needs to know of two. It ends when a head has come: the other is cancelled; or when one fails:
 * the other goes on alone. Owner: the exchange, in its arena. */
#ifndef PROXY_HEDGE_H
#define PROXY_HEDGE_H

#include "proxy/steps.h"

/* An attempt begins: sets the time at which another one is due. */
void      hedge_arm(struct exchange *x);
/* The exchange's timer had another use in between. */
void      hedge_rearm(struct exchange *x);
/* What a step that waits for a peer returns instead of TURN_WAIT: begins another attempt when it is
 * due, and lets the one in the wings go on. */
enum turn hedge_wait(struct exchange *x);
/* The attempt on the stage has failed, and is over: if there is another one it takes the stage, true. */
bool      hedge_take_over(struct exchange *x);
/* The attempt on the stage is the one, or all is over: the other is cancelled. */
void      hedge_cancel(struct exchange *x);
/* The client leaves, and what its streams share with it. */
void      hedge_leave_share(struct exchange *x);

#endif
