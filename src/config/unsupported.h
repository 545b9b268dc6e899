// SPDX-License-Identifier: MIT
/* Names that nginx knows and we don't have yet: an error that says so is kinder than "unknown". */
#ifndef CONFIG_UNSUPPORTED_H
#define CONFIG_UNSUPPORTED_H

#include <stdbool.h>

#include "base/text.h"

bool        unsupported_is_known(struct text name);
/* Without the "$". */
bool        unsupported_variable_is_known(struct text name);
/* By number from 0; NULL behind the last. Some may have a row all the same. */
const char *unsupported_name(unsigned number);

#endif
