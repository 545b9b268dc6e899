// SPDX-License-Identifier: MIT
/* Rows lie in cache lines of their own: loops do not disturb each other. */
#include "net/tally.h"

#include <stdatomic.h>
#include <threads.h>

#include "net/loop.h"

struct row {
    _Alignas(64) _Atomic uint64_t numbers[TALLY_KINDS];
};

static struct row rows[LOOPS_MOST], nobodys;
static thread_local struct row *own = &nobodys;

void tally_begin(unsigned loop_number)
{
    own = &rows[loop_number];
}

/* Nobody else writes, so nothing is lost between the two. */
static void change(enum tally kind, uint64_t by)
{
    uint64_t number = atomic_load_explicit(&own->numbers[kind], memory_order_relaxed);

    atomic_store_explicit(&own->numbers[kind], number + by, memory_order_relaxed);
}

void tally_add(enum tally kind)
{
    change(kind, 1);
}

void tally_drop(enum tally kind)
{
    change(kind, UINT64_MAX);
}

uint64_t tally_of_loop(enum tally kind, unsigned loop_number)
{
    return atomic_load_explicit(&rows[loop_number].numbers[kind], memory_order_relaxed);
}

uint64_t tally_sum(enum tally kind)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < LOOPS_MOST; i++)
        sum += tally_of_loop(kind, i);
    return sum;
}

/* Loops count on while their numbers are added up. */
uint64_t tally_resting(void)
{
    uint64_t open = tally_sum(TALLY_OPEN);
    uint64_t others = tally_sum(TALLY_BUSY) + tally_sum(TALLY_READING);

    return open > others ? open - others : 0;
}
