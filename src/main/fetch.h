// SPDX-License-Identifier: MIT
/* One small question to an HTTP server, over plain HTTP/1.1: the name is looked up, the addresses are tried
 * in turn, the body is POSTed, the whole answer is gathered. Bounded in size and time. On the control loop
 * of a worker. */
#ifndef MAIN_FETCH_H
#define MAIN_FETCH_H

#include "net/resolver.h"

enum { FETCH_MOST_MS = 10000, FETCH_ANSWER_MOST = 64 * 1024, FETCH_ADDRESSES_MOST = 8 };

/* Texts stay the caller's, until the fetch has ended. */
struct fetch_order {
    struct text url;                     /* http://host[:port][/path] */
    struct text body, type, accept;      /* what is sent, its media type, that of the answer */
    const struct resolver_policy *resolver;
};

struct fetch;

/* `waiter` is woken with WAKE_LETTER when it is over, never before the calling task has returned. Never NULL. */
struct fetch *fetch_begin(struct loop *loop, const struct fetch_order *order, struct task *waiter);
bool          fetch_is_over(const struct fetch *fetch);
/* Of one that is over: "", or what went wrong. */
struct text   fetch_error(const struct fetch *fetch);
/* Of one that is over, without an error: a 200 of the type that was asked for. Valid until the end of the fetch. */
struct text   fetch_answer(const struct fetch *fetch);
/* At any time. */
void          fetch_end(struct fetch **fetch);

#endif
