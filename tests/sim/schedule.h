// SPDX-License-Identifier: MIT
/* A schedule: everything that happens in a simulation, as a function of its seed. Chance comes from
 * here and from nowhere else; what was done is said here, so that a failing check can tell the seed
 * and the last things that happened, and so that two runs of one seed can be compared. */
#ifndef TESTS_SIM_SCHEDULE_H
#define TESTS_SIM_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

void     schedule_begin(uint64_t seed);
uint64_t schedule_seed(void);
/* Of all that was said so far. */
uint64_t schedule_digest(void);

/* Which seeds a test runs: SIM_SEED=n only that one, SIM_RUNS=n so many, else `by_default`. */
uint64_t schedules_first(void);
uint64_t schedules_count(uint64_t by_default);
/* `run` returns the digest of what it has done by this seed; twice it must be the same. */
void schedules_check_repeats(uint64_t (*run)(uint64_t seed));

uint64_t chance(uint64_t limit);         /* 0 .. limit - 1 */
bool     one_in(unsigned n);             /* 0: never */
size_t   some_of(size_t most);           /* 1 .. most, often all, often little */

void say(const char *format, ...) PRINTF_LIKE(1, 2);

/* Prints the seed and the last things said, and fails the test. */
void schedule_fail(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);

#define CHECK(condition)                                          \
    do {                                                          \
        if (!(condition))                                         \
            schedule_fail(__FILE__, __LINE__, "%s", #condition);  \
    } while (0)
#define FAIL(...) schedule_fail(__FILE__, __LINE__, __VA_ARGS__)

#endif
