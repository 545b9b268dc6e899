// SPDX-License-Identifier: MIT
/* docs/directives.md, made from the rows that the program runs with. */
#ifndef CONFIG_DIRECTIVES_PRINT_H
#define CONFIG_DIRECTIVES_PRINT_H

#include <stdio.h>

#include "base/writer.h"

void directives_print(FILE *file);
/* "http, server and location blocks"; for hints. */
void directives_write_where(struct writer *writer, unsigned where);

#endif
