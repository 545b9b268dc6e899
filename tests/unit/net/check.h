// SPDX-License-Identifier: MIT
/* What the unit tests of the net layer share: cmocka, texts compared with both values shown, waiting
 * for another thread without guessing how long it takes, and a directory of one's own. */
#ifndef TESTS_UNIT_NET_CHECK_H
#define TESTS_UNIT_NET_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define CHECK_TEXT(got, wanted) check_text((got), text_from(wanted), #got, __FILE__, __LINE__)

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

static inline void check_text(struct text got, struct text wanted, const char *what,
                              const char *file, int line)
{
    if (!text_is_equal(got, wanted))
        fail_msg("%s:%d: %s is \"%.*s\", wanted \"%.*s\"", file, line, what, TEXT_ARGS(got),
                 TEXT_ARGS(wanted));
}

#endif
