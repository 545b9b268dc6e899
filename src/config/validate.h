// SPDX-License-Identifier: MIT
/* What can be checked only when a block, or everything, has been read. */
#ifndef CONFIG_VALIDATE_H
#define CONFIG_VALIDATE_H

#include "config/directive.h"

/* The present level's own directives are done, its blocks are not. */
void validate_level(struct compiler *compiler);
void validate_whole(struct compiler *compiler);

#endif
