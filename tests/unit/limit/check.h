// SPDX-License-Identifier: MIT
/* What the unit tests of the limit layer share: zones without a configuration. */
#ifndef TESTS_UNIT_LIMIT_CHECK_H
#define TESTS_UNIT_LIMIT_CHECK_H

#include "base/unit.h"

#include "limit/limit.h"

static inline struct limit_zone zone_of(struct arena *arena, enum limit_kind kind, uint64_t bytes,
                                        uint64_t rate)
{
    struct limit_zone zone = { .kind = kind, .name = TEXT("z"), .bytes = bytes, .rate = rate,
                               .key = template_literal(arena, TEXT("$key")) };

    limit_zone_bind(&zone);
    return zone;
}

/* The number as four bytes: of one length for all. */
static inline struct text key_of(struct arena *arena, uint32_t number)
{
    return arena_copy(arena, text_of((const char *)&number, sizeof(number)));
}

#endif
