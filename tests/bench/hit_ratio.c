// SPDX-License-Identifier: MIT
/* Hit ratio of the memory tier (S3-FIFO) beside that of an LRU which may hold as many bytes, in per
 * cent of the requests of made-up traces. Exit status 1: the LRU was better by a point somewhere, or
 * as good where there are scans. */
#include <stdio.h>

#include "trace.h"

enum { KEYS = 100000, REQUESTS = 1000000 };

static const struct row {
    const char  *name;
    struct trace trace;
} rows[] = {
    { "Zipf 0.9", { .alpha = 0.9 } },
    { "Zipf 1.0", { .alpha = 1.0 } },
    { "Zipf 1.1", { .alpha = 1.1 } },
    { "Zipf 0.9, bodies of 0.1-20 KB", { .alpha = 0.9, .is_mixed = true } },
    { "Zipf 0.9, 30 % never again", { .alpha = 0.9, .wonders = 30 } },
    { "Zipf 1.1, 30 % never again", { .alpha = 1.1, .wonders = 30 } },
    { "Zipf 0.9, scans", { .alpha = 0.9, .scan_every = 20000, .scan_length = 5000 } },
    { "Zipf 1.1, scans", { .alpha = 1.1, .scan_every = 20000, .scan_length = 5000 } },
    { "Zipf 1.0, scans, 30 % never again",
      { .alpha = 1.0, .scan_every = 20000, .scan_length = 5000, .wonders = 30 } },
    { "Zipf 1.0, scans, bodies of 0.1-20 KB",
      { .alpha = 1.0, .scan_every = 20000, .scan_length = 5000, .is_mixed = true } },
};

static const unsigned sizes[] = { 1, 5, 20 };        /* per cent of the keys fit, about */

static bool is_worse(const struct row *row, double tier, double lru)
{
    return row->trace.scan_every > 0 ? tier <= lru : tier < lru - 1;
}

int main(void)
{
    bool has_failed = false;

    printf("%-40s %6s %8s %8s %8s\n", "trace", "size", "LRU", "S3-FIFO", "gain");
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned size = 0; size < sizeof(sizes) / sizeof(sizes[0]); size++) {
            struct trace trace = rows[i].trace;
            uint64_t     each = trace.is_mixed ? 10300 : 1250;
            double       tier, lru;
            trace.keys = KEYS;
            trace.requests = REQUESTS;
            tier = trace_through_tier(&trace, each * KEYS / 100 * sizes[size]);
            lru = trace_through_lru(&trace, each * KEYS / 100 * sizes[size]);
            printf("%-40s %4u %% %8.2f %8.2f %+8.2f\n", rows[i].name, sizes[size], lru, tier,
                   tier - lru);
            has_failed |= is_worse(&rows[i], tier, lru);
        }
    return has_failed;
}
