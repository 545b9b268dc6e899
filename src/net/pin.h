// SPDX-License-Identifier: MIT
/* Immutable things that are replaced while loops use them.
 *
 * A pin is a plain counter per loop. When the thing is retired every loop is asked by letter; a loop
 * answers once its counter is zero at the end of a turn, and when all have answered the thing is
 * released on the control loop. No atomics on the hot path. */
#ifndef NET_PIN_H
#define NET_PIN_H

#include "net/loop.h"

struct pinned {
    uint32_t        counts[LOOPS_MOST];
    struct letter   letters[LOOPS_MOST];   /* the question to each loop */
    struct pinned  *next_retired[LOOPS_MOST];
    struct letter   release_letter;
    struct loop    *control;
    unsigned        waiting_for;           /* atomic: loops that have not answered */
    void          (*release)(struct pinned *thing);
};

void pin(struct loop *loop, struct pinned *thing);
void unpin(struct loop *loop, struct pinned *thing);
/* Called on the control loop's thread, once nobody can pin it anew. `release` runs there too. */
void pinned_retire(struct pinned *thing, struct loop *control, struct loop *const *loops,
                   unsigned loop_count, void (*release)(struct pinned *thing));
/* The loop's turn ends: answers for what has no pin left. */
void pins_note_quiet(struct loop *loop);

#endif
