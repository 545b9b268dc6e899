// SPDX-License-Identifier: MIT
/* The parts: the highest bit of the time, and the two bits below it. */
#include "balance/spread.h"

static unsigned part_of(int64_t us)
{
    uint64_t time = us < 4 ? 4 : (uint64_t)us;
    unsigned bit = 63 - (unsigned)__builtin_clzll(time);
    unsigned part = 4 * (bit - 2) + (unsigned)((time >> (bit - 2)) & 3);

    return part < SPREAD_PARTS ? part : SPREAD_PARTS - 1;
}

/* The first time of the next part. */
static int64_t end_of(unsigned part)
{
    return (int64_t)(5 + part % 4) << (part / 4);
}

static unsigned count_of(const struct spread *spread, unsigned part)
{
    return atomic_load_explicit(&spread->counts[part], memory_order_relaxed);
}

static void fade(struct spread *spread)
{
    unsigned left = 0;

    for (unsigned i = 0; i < SPREAD_PARTS; i++) {
        unsigned half = count_of(spread, i) / 2;

        atomic_store_explicit(&spread->counts[i], half, memory_order_relaxed);
        left += half;
    }
    atomic_store_explicit(&spread->count, left, memory_order_relaxed);
}

void spread_note(struct spread *spread, int64_t us)
{
    atomic_fetch_add_explicit(&spread->counts[part_of(us)], 1, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&spread->count, 1, memory_order_relaxed) + 1 == SPREAD_MOST)
        fade(spread);
}

int64_t spread_percentile_us(const struct spread *spread, unsigned percent)
{
    uint64_t all = 0, below = 0;

    for (unsigned i = 0; i < SPREAD_PARTS; i++)
        all += count_of(spread, i);
    if (all < SPREAD_LEAST)
        return 0;
    for (unsigned i = 0; i < SPREAD_PARTS; i++) {
        below += count_of(spread, i);
        if (below * 100 >= all * percent)
            return end_of(i);
    }
    return end_of(SPREAD_PARTS - 1);
}
