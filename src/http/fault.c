// SPDX-License-Identifier: MIT
/* faults.def as an array. Everything that wants to know something about a fault (status, retry,
 * health, log, metrics) looks here, so a new fault is one line in one file. Any thread. */
#include "http/fault.h"

#include "base/must.h"

static const struct fault_row rows[FAULT_COUNT] = {
#define F(name, blame, retry, status, words) \
    [FAULT_##name] = { #name, words, BLAME_##blame, RETRY_##retry, status },
#include "http/faults.def"
#undef F
};

const struct fault_row *fault_row(int fault)
{
    must(fault >= 0 && fault < FAULT_COUNT);
    return &rows[fault];
}
