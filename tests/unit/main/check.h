// SPDX-License-Identifier: MIT
/* What every unit test of this layer includes: cmocka and what it needs before it. */
#ifndef TESTS_UNIT_MAIN_CHECK_H
#define TESTS_UNIT_MAIN_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"

#define assert_text(value, literal)                             \
    do {                                                        \
        struct text got_ = (value);                             \
        assert_int_equal(got_.len, sizeof(literal) - 1);        \
        assert_memory_equal(got_.ptr, literal, got_.len);       \
    } while (0)

#endif
