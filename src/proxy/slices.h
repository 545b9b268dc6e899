// SPDX-License-Identifier: MIT
/* `slice`: an answer that is put together of slices, each asked for and cached by itself. The steps slice
 * and stitch (steps_slice.c) move it. */
#ifndef PROXY_SLICES_H
#define PROXY_SLICES_H

#include "proxy/exchange.h"

/* Shall this request be answered so? One without a body that is no slice itself, and asks nothing that only
 * the origin can answer. */
bool slices_are_due(const struct exchange *x);
/* Leaves what is under way; what fills a cache goes on. Also when there is none. */
void slices_end(struct exchange *x);
/* Is this answer, to an exchange that asks for a slice, just that, so that it may be kept under the slice's
 * key? */
bool slices_may_keep(const struct exchange *x, const struct head *answer);

#endif
