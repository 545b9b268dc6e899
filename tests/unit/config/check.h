// SPDX-License-Identifier: MIT
/* What the unit tests of the config layer share: configurations that come from memory. */
#ifndef TESTS_UNIT_CONFIG_CHECK_H
#define TESTS_UNIT_CONFIG_CHECK_H

#include "base/unit.h"

#include "config/bundle.h"

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
