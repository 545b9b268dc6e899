// SPDX-License-Identifier: MIT
/* How long a peer's answers take: a peak exponentially weighted moving average. A slower answer
 * counts at once; a faster one, or none at all, lets the figure sink by half in seven seconds (decay
 * 10 s), so that whoever was slow is tried again one day. And which part of them is bad, which is
 * forgotten at the same pace. Plain values under the group's lock. */
#ifndef BALANCE_LATENCY_H
#define BALANCE_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

struct latency {
    double  us;                          /* when noted; 0: nothing is known */
    int64_t noted_ms;
};

struct badness {
    double  part;                        /* of the last few answers, when noted: 0 to 1 */
    int64_t noted_ms;
};

enum { LATENCY_DECAY_MS = 10 * 1000 };

/* An answer took so long (> 0). */
void   latency_note(struct latency *latency, int64_t us, int64_t now_ms);
/* As it counts now; 0: nothing is known. */
double latency_now(const struct latency *latency, int64_t now_ms);

void   badness_note(struct badness *badness, bool is_bad, int64_t now_ms);
double badness_now(const struct badness *badness, int64_t now_ms);

#endif
