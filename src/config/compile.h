// SPDX-License-Identifier: MIT
/* The tree becomes plain structs: config_load() calls this once. */
#ifndef CONFIG_COMPILE_H
#define CONFIG_COMPILE_H

#include "config/directive.h"

/* Fills config->core and config->site; everything wrong is in `diagnoses` afterwards. */
void compile(struct arena *arena, struct diagnoses *diagnoses, struct config_source *source,
             const struct config_options *options, const struct tree *tree, struct config *config);

#endif
