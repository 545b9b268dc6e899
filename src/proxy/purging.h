// SPDX-License-Identifier: MIT
/* Purging by request (proxy_cache_purge): what it is about, and the disk's part of it.
 *
 * In memory a purge holds when purging_begin() returns; the disks are told then, and the step purge waits
 * for them. Lives in the exchange's arena, as its caching does, of which it is a part. */
#ifndef PROXY_PURGING_H
#define PROXY_PURGING_H

#include "proxy/exchange.h"

struct purging;

/* The location says that this request purges. Never in the round of an internal redirect: whoever was
 * refused at the first location shall not purge at that of the error page. */
bool purging_is_asked(struct exchange *x);

/* Sets x->caching, unless there is no cache. 0, or the status to refuse it with and *ret_why, a sentence. */
unsigned purging_begin(struct exchange *x, struct text *ret_why);

enum purging_state { PURGING_WAITS = 0, PURGING_DONE, PURGING_FAILED /* the disk: holds until a restart */ };
enum purging_state purging_state(struct purging *purging);

/* Nobody waits any more; what is under way goes on. NULL is fine. */
void purging_leave(struct purging **purging);

#endif
