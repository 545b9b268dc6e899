// SPDX-License-Identifier: MIT
/* A slice of an answer, by an exchange of its own whose client is another exchange.
 *
 * The exchange that asks has a fork with this stream in the place of a client's: the fork goes through all
 * steps as any other, may be answered from a cache, fill it, follow somebody else's fill or pass on what a
 * peer says, and what it would send to its client is taken here. Lives in the fork's arena; belongs to
 * the fork, which may end first. One loop. */
#ifndef PROXY_PORTION_H
#define PROXY_PORTION_H

#include "http/range.h"
#include "proxy/exchange.h"

struct portion {
    struct stream     stream;            /* the fork's client */
    struct conn       conn;              /* never opened: for those who look whether it is closed */
    struct exchange  *fork;
    struct exchange  *taker;             /* whose task is woken by news; NULL: has left */
    struct portion  **place;             /* the taker's pointer: NULL once the fork has ended */
    struct range_part asked;
    uint64_t          taken;             /* bytes of its body */
    bool              is_first;          /* its figures are those of the taker: $upstream_... */
    bool              is_judged;         /* for the taker */
    bool              is_cut;            /* no more will come, though it is not whole */
};

/* Asks for a slice on x's behalf: $slice_range says so. False: memory is short. *ret_place becomes NULL
 * when the fork ends before it was left, which is a cut. */
bool portion_ask(struct exchange *x, struct range_part asked, struct portion **ret_place);
/* What the fork would send to its client; NULL: it does not know yet. */
const struct head *portion_head(const struct portion *portion);
/* Up to `most` bytes that have come, with a reference; len 0: none. */
struct slice       portion_take(struct portion *portion, size_t most);
bool               portion_has_bytes(const struct portion *portion);
/* All of its body was taken. */
bool               portion_is_finished(const struct portion *portion);
/* Nothing more is wanted of it: as a client that goes, or has had all. Clears the place. */
void               portion_leave(struct portion *portion);

#endif
