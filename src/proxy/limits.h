// SPDX-License-Identifier: MIT
/* `limit_req` and `limit_conn` of an exchange: what others do for the step (steps_limit.c). */
#ifndef PROXY_LIMITS_H
#define PROXY_LIMITS_H

#include "proxy/exchange.h"

/* Else the step has nothing to do and is left out. */
static inline bool limits_are_set(const struct location *location)
{
    return location->limit_reqs != NULL || location->limit_conns != NULL;
}

/* Gives back the places that it took: at its end, whatever that was. */
void limits_release(struct exchange *x);

#endif
