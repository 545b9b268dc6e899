// SPDX-License-Identifier: MIT
/* What a choice and its end cost by method and number of servers, in nanoseconds, best of several
 * rounds. Above ROSTER_SCANNED servers nobody scans them all: a row whose choice among 4,096 costs ten
 * times that among 64 is a mistake (exit status 1). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "balance/group.h"
#include "base/mem.h"
#include "base/writer.h"

enum { ROUNDS = 5, RUNS = 20000, HELD = 32, SIZES = 5, MANY = 3 /* sizes[] from here on must not cost more */ };

static const unsigned sizes[SIZES] = { 4, 16, 32, 64, 4096 };

static const struct row {
    const char    *name;
    struct balance balance;
} rows[] = {
    { "the quietest", { .method = BALANCE_ROUND_ROBIN } },
    { "least_time", { .method = BALANCE_LEAST_TIME, .is_timed = true } },
    { "random two", { .method = BALANCE_RANDOM, .has_two = true } },
    { "hash", { .method = BALANCE_HASH } },
    { "hash consistent", { .method = BALANCE_HASH, .is_consistent = true } },
    { "ip_hash", { .method = BALANCE_IP_HASH } },
};

static double now_ns(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static struct upstream *upstream_make(const struct row *row, unsigned count, struct loop *control)
{
    struct upstream        *upstream = mem_new(sizeof(*upstream));
    struct upstream_server *servers = mem_new(count * sizeof(*servers));

    for (unsigned i = 0; i < count; i++) {
        char          name[16];
        struct writer writer = writer_fixed(name, sizeof(name));

        servers[i] = (struct upstream_server){ .name = TEXT("x"), .host = TEXT(""),
                                               .has_address = true, .weight = 1, .max_fails = 1,
                                               .fail_timeout_ms = 10000 };
        if (address_parse_ip(TEXT("127.0.0.1"), 1000 + i, &servers[i].address) < 0)
            abort();
        writer_u64(&writer, i);
        servers[i].name = text_of(mem_string(name, writer.len), writer.len);
    }
    *upstream = (struct upstream){ .name = TEXT("bench"), .servers = servers,
                                   .server_count = count, .balance = row->balance };
    group_bind(upstream, control);
    return upstream;
}

static void upstream_drop(struct upstream *upstream)
{
    group_unbind(upstream);
    for (unsigned i = 0; i < upstream->server_count; i++)
        mem_free((void *)upstream->servers[i].name.ptr);
    mem_free(upstream->servers);
    mem_free(upstream);
}

/* HELD requests are always in flight; each choice ends the oldest. */
static double round_ns(const struct upstream *upstream, struct address *clients)
{
    struct peer *held[HELD] = { NULL };
    double       start = now_ns();
    bool         is_now_down;

    for (unsigned run = 0; run < RUNS; run++) {
        struct peer   **slot = &held[run % HELD];
        struct pick_ask ask = { .now_ms = 1000 + run / 1000,
                                .key = text_of((const char *)&run, sizeof(run)),
                                .client = &clients[run % HELD] };
        struct ending   ending = { .status = 200, .head_us = 100 + run % 7, .whole_us = 200 };
        enum nobody     nobody;

        if (*slot != NULL)
            group_done(slot, &ending, &is_now_down);
        *slot = group_pick(upstream, &ask, &nobody);
        if (*slot == NULL)
            abort();
    }
    for (unsigned i = 0; i < HELD; i++) {
        struct ending ending = { .status = 200 };
        group_done(&held[i], &ending, &is_now_down);
    }
    return (now_ns() - start) / RUNS;
}

static double best_ns(const struct row *row, unsigned count, struct loop *control)
{
    struct upstream *upstream = upstream_make(row, count, control);
    struct address   clients[HELD];
    double           best = 1e18;

    for (unsigned i = 0; i < HELD; i++) {
        char          text[32];
        struct writer writer = writer_fixed(text, sizeof(text));

        writer_format(&writer, "10.%u.%u.1", i * 7, i * 3);
        if (address_parse_ip(writer_done(&writer), 80, &clients[i]) < 0)
            abort();
    }
    for (int round = 0; round < ROUNDS; round++) {
        double each = round_ns(upstream, clients);
        best = each < best ? each : best;
    }
    upstream_drop(upstream);
    return best;
}

int main(void)
{
    struct loop *control = loop_new(0);
    int          status = EXIT_SUCCESS;

    printf("%-18s", "servers:");
    for (unsigned i = 0; i < SIZES; i++)
        printf("%9u", sizes[i]);
    printf("\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double each[SIZES];

        printf("%-18s", rows[i].name);
        for (unsigned size = 0; size < SIZES; size++) {
            each[size] = best_ns(&rows[i], sizes[size], control);
            printf("%6.0f ns", each[size]);
        }
        if (each[SIZES - 1] > 10 * each[MANY]) {
            status = EXIT_FAILURE;
            printf("   scans");
        }
        printf("\n");
    }
    loop_free(&control);
    return status;
}
