// SPDX-License-Identifier: MIT
/* A visitor: a client that says given bytes at given times, and nothing by chance. For tests of an
 * exact order. */
#ifndef TESTS_SIM_VISITORS_H
#define TESTS_SIM_VISITORS_H

#include "kernel.h"

enum { VISITOR_LINES = 4, VISITOR_BYTES = 65536 };

struct visitor {
    struct far far;
    struct {
        int64_t     at_us;               /* after it came */
        const char *bytes;               /* NULL: that is all */
        size_t      zeros;               /* bytes of a body behind them */
    } lines[VISITOR_LINES];
    int64_t deaf_until_us;               /* it does not read until then; INT64_MAX: never */
    bool    stays;                       /* does not close when all is over */
    int64_t goes_us;                     /* so long after it came; 0: it does not */
    bool    goes_by_reset;
    int64_t says_end_us;                 /* it says no more from then on; 0: it does not say so */
    /* what came of it */
    int64_t  came_us;
    unsigned said;
    char     heard[VISITOR_BYTES];
    size_t   len;
    bool     has_end, is_reset, is_over;
};

/* It comes now. It is over when we have closed the connection. */
void visitor_come(struct visitor *visitor, unsigned port);
/* Its next line now, whatever the time; it arrives at once. */
void visitor_say(struct visitor *visitor);

#endif
