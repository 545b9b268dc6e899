// SPDX-License-Identifier: MIT
/* How much memory work holds in the whole process, and how much it may (`worker_memory`).
 *
 * Counted is what grows with what clients and servers send: blocks, pages of arenas, conns, bytes in
 * kernel pipes. It is counted beneath the pools, where memory comes from the system and goes back, so
 * that a request in steady state costs nothing. Past the limit SHORTAGE_BUDGET begins, at seven
 * eighths of it it ends. What somebody keeps who has a limit of his own is no work: a cache gives back
 * here what it takes in, and counts it again when it lets go. Any thread. */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdint.h>

/* Negative: given back. */
void budget_add(int64_t bytes);
/* What this thread has counted and not told yet (less than 64 KB) is told. */
void budget_settle(void);

/* The limit in bytes; UINT64_MAX: none. */
void     budget_set(uint64_t most);
uint64_t budget_most(void);
/* As far as threads have settled. */
uint64_t budget_held(void);
/* The most since the last call. One thread. */
uint64_t budget_take_peak(void);
/* Looks whether a shortage begins or ends, though nothing was counted. */
void     budget_review(void);

#endif
