// SPDX-License-Identifier: MIT
/* What the unit tests of all layers share: cmocka and what it needs before it, comparing texts with both values
 * shown, and an arena per test. */
#ifndef TESTS_UNIT_BASE_UNIT_H
#define TESTS_UNIT_BASE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/pool.h"
#include "base/text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define CHECK_TEXT(got, wanted) check_text((got), text_from(wanted), #got, __FILE__, __LINE__)

/* Fails unless `condition`, naming the case of a table-driven test first. */
#define CHECK_CASE(condition, name)                                                      \
    do {                                                                                 \
        if (!(condition))                                                                \
            fail_msg("%s:%d: %s in case: %s", __FILE__, __LINE__, #condition, name);     \
    } while (0)

/* The test's *state is an arena. */
#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, arena_set_up, arena_tear_down)

static inline void check_text(struct text got, struct text wanted, const char *what,
                              const char *file, int line)
{
    if (!text_is_equal(got, wanted))
        fail_msg("%s:%d: %s is \"%.*s\", wanted \"%.*s\"", file, line, what, TEXT_ARGS(got),
                 TEXT_ARGS(wanted));
}

static inline int arena_set_up(void **state)
{
    *state = arena_new();
    return 0;
}

static inline int arena_tear_down(void **state)
{
    struct arena *arena = *state;

    arena_free(&arena);
    pools_drain();
    return 0;
}

#endif
