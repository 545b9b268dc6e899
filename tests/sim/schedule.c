// SPDX-License-Identifier: MIT
/* Chance by xorshift, and a ring of the lines that were said last. SIM_VERBOSE=1 prints each line as
 * it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel.h"
#include "schedule.h"

enum { LINES = 256, LINE_BYTES = 160 };

static struct {
    uint64_t seed, state, digest, said;
    bool     is_verbose, has_failed;
    char     lines[LINES][LINE_BYTES];
} schedule;

void schedule_begin(uint64_t seed)
{
    if (schedule.has_failed)
        skip();   /* what failed was left in the middle of everything */
    schedule.seed = seed;
    schedule.state = (seed + 1) * 0x9e3779b97f4a7c15u;
    schedule.digest = 0xcbf29ce484222325u;
    schedule.said = 0;
    schedule.is_verbose = getenv("SIM_VERBOSE") != NULL;
    for (int i = 0; i < 4; i++)
        (void)chance(2);
}

uint64_t schedule_seed(void)
{
    return schedule.seed;
}

uint64_t schedule_digest(void)
{
    return schedule.digest;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

uint64_t schedules_first(void)
{
    return number_from("SIM_SEED", 1);
}

uint64_t schedules_count(uint64_t by_default)
{
    return number_from("SIM_RUNS", getenv("SIM_SEED") != NULL ? 1 : by_default);
}

void schedules_check_repeats(uint64_t (*run)(uint64_t seed))
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        uint64_t first = run(seed), second = run(seed);

        assert_true(first == second);
    }
}

uint64_t chance(uint64_t limit)
{
    must(limit > 0);
    schedule.state ^= schedule.state << 13;
    schedule.state ^= schedule.state >> 7;
    schedule.state ^= schedule.state << 17;
    return (schedule.state >> 11) % limit;
}

bool one_in(unsigned n)
{
    return n > 0 && chance(n) == 0;
}

size_t some_of(size_t most)
{
    size_t n = one_in(2) ? most : 1 + chance(one_in(2) ? 64 : most);

    return n < most ? n : most;
}

void say(const char *format, ...)
{
    char   *line = schedule.lines[schedule.said++ % LINES];
    va_list args;
    int     len = snprintf(line, LINE_BYTES, "%9.6f ", (double)kernel_now_us() / 1e6);

    va_start(args, format);
    (void)vsnprintf(line + len, (size_t)(LINE_BYTES - len), format, args);
    va_end(args);
    for (const char *at = line; *at != '\0'; at++)
        schedule.digest = (schedule.digest ^ (unsigned char)*at) * 0x100000001b3u;
    if (schedule.is_verbose)
        (void)fprintf(stderr, "%s\n", line);
}

void schedule_fail(const char *file, int line, const char *format, ...)
{
    uint64_t first = schedule.said > LINES ? schedule.said - LINES : 0;
    va_list  args;

    for (uint64_t i = first; i < schedule.said && !schedule.is_verbose; i++)
        (void)fprintf(stderr, "%s\n", schedule.lines[i % LINES]);
    (void)fprintf(stderr, "%s:%d: SIM_SEED=%llu: ", file, line, (unsigned long long)schedule.seed);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\n");
    schedule.has_failed = true;
    fail();
}
