// SPDX-License-Identifier: MIT
/* One sum for all threads, told in grains: a thread keeps what it has counted to itself until that is
 * worth the shared line. Threads may judge an old sum after a newer one was judged, so whoever waits
 * for the end of a shortage reviews it now and then. */
#include "base/budget.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <threads.h>

#include "base/shortage.h"

enum { GRAIN_BYTES = 64 * 1024 };

static _Atomic int64_t      held, peak;
static _Atomic int64_t      limit = INT64_MAX;
static thread_local int64_t untold;

static void judge(int64_t bytes)
{
    int64_t most = atomic_load_explicit(&limit, memory_order_relaxed);
    bool    is_short = shortage_now() & SHORTAGE_BUDGET;

    if (!is_short && bytes > most)
        shortage_begin(SHORTAGE_BUDGET);
    else if (is_short && bytes <= most - most / 8)
        shortage_end(SHORTAGE_BUDGET);
}

/* Two threads may hide a peak behind a lower one of the same moment. */
static void peak_note(int64_t bytes)
{
    if (bytes > atomic_load_explicit(&peak, memory_order_relaxed))
        atomic_store_explicit(&peak, bytes, memory_order_relaxed);
}

void budget_settle(void)
{
    int64_t bytes = untold;

    untold = 0;
    bytes += atomic_fetch_add_explicit(&held, bytes, memory_order_relaxed);
    peak_note(bytes);
    judge(bytes);
}

void budget_add(int64_t bytes)
{
    untold += bytes;
    if (untold >= GRAIN_BYTES || untold <= -GRAIN_BYTES)
        budget_settle();
}

void budget_set(uint64_t most)
{
    atomic_store(&limit, most < INT64_MAX ? (int64_t)most : INT64_MAX);
    budget_review();
}

uint64_t budget_most(void)
{
    int64_t most = atomic_load(&limit);

    return most < INT64_MAX ? (uint64_t)most : UINT64_MAX;
}

uint64_t budget_held(void)
{
    int64_t bytes = atomic_load(&held);

    return bytes > 0 ? (uint64_t)bytes : 0;   /* who gave back may have told first */
}

uint64_t budget_take_peak(void)
{
    int64_t most = atomic_exchange(&peak, atomic_load(&held));

    return most > 0 ? (uint64_t)most : 0;
}

void budget_review(void)
{
    judge(atomic_load(&held));
}
