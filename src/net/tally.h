// SPDX-License-Identifier: MIT
/* What loops count: one row of numbers per loop, written by its thread alone, so that counting costs a
 * load and a store, and read by anybody at any time: sums are right to within what is just going on.
 *
 * Some only grow, since the start of the process; others go up and down. */
#ifndef NET_TALLY_H
#define NET_TALLY_H

#include <stdint.h>

enum tally {
    /* only grow: clients' connections, and those of them that could be used; requests and, when they
     * are over, the kinds of their answers */
    TALLY_ACCEPTED = 0, TALLY_HANDLED, TALLY_REQUESTS,
    TALLY_NO_ANSWER, TALLY_1XX, TALLY_2XX, TALLY_3XX, TALLY_4XX, TALLY_5XX,
    /* now: clients' connections, those of them with a request under way, and with a part of a head;
     * and requests */
    TALLY_OPEN, TALLY_BUSY, TALLY_READING, TALLY_UNDER_WAY,
    TALLY_KINDS
};

/* The calling thread counts in the row of that loop from now on; before, in one that nobody reads. */
void tally_begin(unsigned loop_number);
void tally_add(enum tally kind);
void tally_drop(enum tally kind);
/* Of one loop; of all. Any thread. */
uint64_t tally_of_loop(enum tally kind, unsigned loop_number);
uint64_t tally_sum(enum tally kind);
/* Clients' connections that rest: open, without a request and without a part of one. */
uint64_t tally_resting(void);

#endif
