// SPDX-License-Identifier: MIT
/* Clients, played by chance. Each makes some requests over one connection, and compares what comes
 * with the ledger. */
#ifndef TESTS_SIM_CLIENTS_H
#define TESTS_SIM_CLIENTS_H

#include "asks.h"

/* How a client behaves on its connection. */
struct manner {
    unsigned requests;
    unsigned ahead;                      /* requests sent before the answer has come */
    size_t   read_most;                  /* per look; SIZE_MAX: all */
    int64_t  read_pause_us;              /* between two looks */
    uint64_t leave_after;                /* of its bytes in and out; UINT64_MAX: it stays */
    enum { LEAVE_CLOSE, LEAVE_RESET, LEAVE_STALL } leave;
    int64_t  leave_pause_us;             /* it hesitates before it leaves */
    bool     says_end;                   /* after its last request */
};

void     clients_begin(void);
void     clients_end(void);
/* By chance; `kindness` as with origins. */
void     client_come(unsigned kindness);
/* As told: the asks are made already, in order, without a gap. */
struct ask *client_come_for(const struct manner *manner, unsigned port, const char *path,
                            const char *method, enum framing framing, size_t length);
/* Nobody is here any more. */
bool     clients_are_gone(void);
/* Fails when somebody has waited too long. */
void     clients_check_patience(void);
/* asked, answered by an origin, by us, cut */
void     clients_count(unsigned ret_counts[4]);

#endif
