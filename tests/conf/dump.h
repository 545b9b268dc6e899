// SPDX-License-Identifier: MIT
/* A configuration as text, for comparing: only what differs from the defaults. */
#ifndef TESTS_CONF_DUMP_H
#define TESTS_CONF_DUMP_H

#include "config/config.h"

/* `plain` is what an empty configuration gives. */
struct text dump_config(struct arena *arena, const struct config *config,
                        const struct config *plain);

#endif
