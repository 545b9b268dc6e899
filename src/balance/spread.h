// SPDX-License-Identifier: MIT
/* How long a group's answers take, as a distribution: counts by the logarithm of the time, a quarter of
 * an octave each. Old ones fade: when there are enough, all are halved. Atomics, shared by all loops;
 * an answer that is counted during a halving may be lost, which changes nothing. */
#ifndef BALANCE_SPREAD_H
#define BALANCE_SPREAD_H

#include <stdatomic.h>
#include <stdint.h>

enum { SPREAD_PARTS = 128, SPREAD_LEAST = 100, SPREAD_MOST = 2000 };

struct spread {
    atomic_uint counts[SPREAD_PARTS];    /* from 1 us on, each a quarter of an octave */
    atomic_uint count;                   /* of all */
};

void    spread_note(struct spread *spread, int64_t us);
/* So many per cent take no longer, to within a fifth; 0: fewer than SPREAD_LEAST are known. */
int64_t spread_percentile_us(const struct spread *spread, unsigned percent);

#endif
