// SPDX-License-Identifier: MIT
/* What the unit tests of the config layer share: cmocka, comparing texts, and configurations that
 * come from memory. */
#ifndef TESTS_UNIT_CONFIG_CHECK_H
#define TESTS_UNIT_CONFIG_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/arena.h"
#include "config/bundle.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define CHECK_TEXT(got, wanted) check_text((got), text_from(wanted), #got, __FILE__, __LINE__)

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
    return 0;
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, arena_set_up, arena_tear_down)

static const struct config_options test_options = {
    .prefix = { "/p/", 3 }, .path = { "/c/main.conf", 12 }, .error_log = { "stderr", 6 },
    .globals = { "", 0 },
};

/* A bundle of one file, which reads no disk. */
static inline struct bundle *bundle_of(const char *text)
{
    struct bundle *bundle = bundle_new(&test_options, false);

    bundle_add_file(bundle, test_options.path, text_from(text));
    return bundle;
}

/* Fails with the first finding when it does not compile. */
static inline struct config *loaded(struct bundle *bundle, struct arena *arena)
{
    struct diagnoses diagnoses;
    struct config   *config;

    diagnoses_init(&diagnoses, arena);
    config = config_load(&bundle->source, &bundle->options, &diagnoses);
    if (config == NULL)
        fail_msg("%.*s", TEXT_ARGS(diagnosis_line(arena, diagnoses.first)));
    return config;
}

#endif
