// SPDX-License-Identifier: MIT
/* What the files of steps share: for src/proxy/steps_*.c, exchange.c, retry.c and tunnel.c only. */
#ifndef PROXY_STEPS_H
#define PROXY_STEPS_H

#include "proxy/exchange.h"

/* Wakes to facts: is the client gone, did its body fail? May change the step. */
void exchange_note(struct exchange *x);

/* Runs the instructions of one level. True: one of them answered (x->status is set). */
bool rewrite_run(struct exchange *x, const struct rewrite *rewrites);

/* Goes to `uri` ("/path?query" or "@name") as an internal redirect. */
enum turn redirect_internally(struct exchange *x, struct text uri);

/* x->chosen, picked at that time, is to be asked: an attempt, and on to connect. */
enum turn forward_to_chosen(struct exchange *x, int64_t picked_ms);
/* There is nobody: an attempt with the upstream's name, this line in the log, this status. */
enum turn forward_to_nobody(struct exchange *x, unsigned status, const char *words);
/* The attempt is over: notes its figures, releases stream and connection, tells the group. */
void forward_done(struct exchange *x, bool may_keep, bool is_failure);
/* The same in whatever state it is: at the end of an exchange. */
void forward_abandon(struct exchange *x);
/* The body from its start for whoever is asked next; without one, if it is no longer whole. */
void forward_rewind(struct exchange *x);
/* Which of NEXT_* a peer's status is; 0: none. */
unsigned next_condition(unsigned status);
/* x->response becomes the answer: to an error page, or on to deliver. */
enum turn forward_answer(struct exchange *x);
/* What is left of former rounds goes, before another location is asked for `uri`: a plain one by GET
 * (or HEAD), a named one by the method that came, as nginx does. */
void forward_anew(struct exchange *x, struct text uri);
/* Another peer may be asked: tries, time, method and body allow it. `condition` is one of NEXT_*. */
bool forward_may_retry(struct exchange *x, unsigned condition);

/* A further try within the upstream's retry budget, of which the present one's place goes over to it;
 * false: there is no room in it. */
bool forward_retry_begin(struct exchange *x);
/* There will be no further try: gives back whatever place in the budget is held. */
void forward_retry_end(struct exchange *x);

/* Ends an exchange that is unattended: what it has is for nobody. */
enum turn finish_for_nobody(struct exchange *x);
/* Sends x->answer, with x->response_body behind it. */
void deliver_begin(struct exchange *x);
/* proxy_limit_rate: the peer's stream may read so much by now. */
void pace_peer(struct exchange *x);
/* Pacing by limit_rate: gives the client's stream what it may send by now. */
void pace(struct exchange *x);

#endif
