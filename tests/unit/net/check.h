// SPDX-License-Identifier: MIT
/* What the unit tests of the net layer share: waiting for another thread without guessing how long it takes. */
#ifndef TESTS_UNIT_NET_CHECK_H
#define TESTS_UNIT_NET_CHECK_H

#include "base/unit.h"

#include "base/clock.h"

/* Waits until `condition` holds, looking every millisecond; fails after 10 s. */
#define WAIT_UNTIL(condition)                                                               \
    do {                                                                                    \
        int64_t wait_until_ms_ = clock_mono_ms() + 10000;                                   \
        while (!(condition)) {                                                              \
            if (clock_mono_ms() > wait_until_ms_)                                           \
                fail_msg("%s:%d: in vain waited for %s", __FILE__, __LINE__, #condition);   \
            (void)usleep(1000);                                                             \
        }                                                                                   \
    } while (0)

#endif
