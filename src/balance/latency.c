// SPDX-License-Identifier: MIT
/* Peak EWMA, with time and not answers as its weight: it does not matter how often a peer is asked. */
#include "balance/latency.h"

#include <math.h>

enum { BADNESS_OF = 4 };                 /* answers, roughly */

static double weight_of(int64_t noted_ms, int64_t now_ms)
{
    int64_t age_ms = now_ms - noted_ms;

    return age_ms <= 0 ? 1 : exp(-(double)age_ms / LATENCY_DECAY_MS);
}

void latency_note(struct latency *latency, int64_t us, int64_t now_ms)
{
    double weight = weight_of(latency->noted_ms, now_ms), sample = (double)us;

    if (sample >= latency->us * weight)
        latency->us = sample;
    else
        latency->us = sample + (latency->us - sample) * weight;
    latency->noted_ms = now_ms;
}

double latency_now(const struct latency *latency, int64_t now_ms)
{
    return latency->us * weight_of(latency->noted_ms, now_ms);
}

void badness_note(struct badness *badness, bool is_bad, int64_t now_ms)
{
    double part = badness_now(badness, now_ms);

    badness->part = part + ((is_bad ? 1 : 0) - part) / BADNESS_OF;
    badness->noted_ms = now_ms;
}

double badness_now(const struct badness *badness, int64_t now_ms)
{
    return badness->part * weight_of(badness->noted_ms, now_ms);
}
