// SPDX-License-Identifier: MIT
/* Faults: one table (faults.def) from which status, retry policy, passive health, error log text
 * and metric label all come. */
#ifndef HTTP_FAULT_H
#define HTTP_FAULT_H

enum fault {
#define F(name, blame, retry, status, words) FAULT_##name,
#include "http/faults.def"
#undef F
    FAULT_COUNT
};

enum blame { BLAME_NONE = 0, BLAME_CLIENT, BLAME_PEER, BLAME_US };
enum fault_retry { RETRY_NEVER = 0, RETRY_REUSED, RETRY_REFUSED, RETRY_ERROR, RETRY_TIMEOUT, RETRY_INVALID };

struct fault_row {
    const char      *name, *words;
    enum blame       blame;
    enum fault_retry retry;
    int              status;
};

/* Never NULL; `fault` must be a fault of the table. */
const struct fault_row *fault_row(int fault);

#endif
