// SPDX-License-Identifier: MIT
/* Exchanges under way are counted per loop. */
#include "proxy/admission.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <threads.h>

#include "base/shortage.h"
#include "http/fault.h"

static thread_local unsigned under_way;
static _Atomic uint64_t      refused;

/* A budget that is used up by what rests would stay so if nobody was let in, however small it is: the
 * only request of a loop comes in. When the system has no memory there is none for that one, too. */
int admission_enter(int fault)
{
    bool     is_alone = under_way++ == 0;
    unsigned causes = shortage_now();

    if (causes == 0 || fault != FAULT_NONE || (causes == SHORTAGE_BUDGET && is_alone))
        return fault;
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    return FAULT_NO_BUFFERS;
}

void admission_leave(void)
{
    under_way--;
}

uint64_t admission_refused(void)
{
    return atomic_load_explicit(&refused, memory_order_relaxed);
}
