// SPDX-License-Identifier: MIT
/* What the unit tests of the tls layer share: cmocka, and texts compared with both values shown. */
#ifndef TESTS_UNIT_TLS_CHECK_H
#define TESTS_UNIT_TLS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define CHECK_TEXT(got, wanted) check_text((got), text_from(wanted), #got, __FILE__, __LINE__)

static inline void check_text(struct text got, struct text wanted, const char *what,
                              const char *file, int line)
{
    if (!text_is_equal(got, wanted))
        fail_msg("%s:%d: %s is \"%.*s\", wanted \"%.*s\"", file, line, what, TEXT_ARGS(got),
                 TEXT_ARGS(wanted));
}

#endif
