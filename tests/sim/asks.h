// SPDX-License-Identifier: MIT
/* The ledger: every request that a client makes and every answer that an origin gives to it. Clients
 * write down what they ask, origins compare it with what they get, and the other way round. */
#ifndef TESTS_SIM_ASKS_H
#define TESTS_SIM_ASKS_H

#include "bodies.h"
#include "rooms.h"

enum { ASKS_MOST = 256, ANSWERS_MOST = 24 };

/* What an origin says, as it means to say it. */
struct answer {
    unsigned     status;
    enum framing framing;
    size_t       length;                 /* of the content */
    bool         is_cut;                 /* it did not say all of it */
};

enum outcome {
    OUTCOME_OPEN = 0,
    OUTCOME_ANSWERED,                    /* by an origin, whole */
    OUTCOME_OURS,                        /* by an answer of the proxy's own */
    OUTCOME_CUT                          /* the connection ended first */
};

struct ask {
    unsigned           id;
    const struct room *room;
    const char        *method;
    const char        *flaw;             /* lines that make it invalid; NULL: it is fine */
    unsigned           version;          /* 10, 11 */
    enum framing       framing;
    size_t             length;           /* of its body */
    bool               is_repeatable, is_head, is_upgrade, expects, is_last, has_bad_chunk;
    int64_t            asked_us;         /* when all of it was sent */
    unsigned           seen;             /* by origins: heads */
    unsigned           status;           /* what the client got */
    struct answer      answers[ANSWERS_MOST];
    unsigned           answer_count;
    enum outcome       outcome;
};

void        asks_begin(void);
struct ask *ask_new(void);
struct ask *ask_find(unsigned id);       /* fails the test when there is none */
/* A head of it reached an origin: may it? */
void        ask_note_seen(struct ask *ask);
/* Its serial is its place in the list, from 1 on. */
unsigned    ask_answer_new(struct ask *ask, const struct answer *answer);

#endif
