// SPDX-License-Identifier: MIT
/* Is memory short? One word for the whole process, which whoever is about to take more looks at: new
 * requests are refused, pipes and reads get smaller, and the control thread is told, so that it can
 * give memory back and look when it is over (main/relief.c).
 *
 * Each cause is set and cleared by the files that know of it. Any thread. */
#ifndef BASE_SHORTAGE_H
#define BASE_SHORTAGE_H

#include <stdatomic.h>

enum shortage {
    SHORTAGE_SYSTEM = 1u << 0,           /* malloc had none: mem.c, relief.c */
    SHORTAGE_BUDGET = 1u << 1            /* work holds more than it may: budget.c */
};

extern atomic_uint shortage_causes;

/* The causes at present; 0: memory suffices. */
static inline unsigned shortage_now(void)
{
    return atomic_load_explicit(&shortage_causes, memory_order_relaxed);
}

/* Harmless when it is so already. Take no memory themselves. */
void shortage_begin(enum shortage cause);
void shortage_end(enum shortage cause);

/* The causes that have come since the last call, gone or not. */
unsigned shortage_seen(void);

/* An eventfd that is written whenever a cause comes or goes, not owned; -1: none. */
void shortage_bell(int fd);

#endif
