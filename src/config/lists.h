// SPDX-License-Identifier: MIT
/* Small growing arrays in an arena. */
#ifndef CONFIG_LISTS_H
#define CONFIG_LISTS_H

#include "base/arena.h"

/* The text is copied. */
void texts_append(struct arena *arena, struct text **array, unsigned *count, struct text text);

#endif
