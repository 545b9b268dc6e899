// SPDX-License-Identifier: MIT
/* What the unit tests of the cache layer share: fields from lines. */
#ifndef TESTS_UNIT_CACHE_CHECK_H
#define TESTS_UNIT_CACHE_CHECK_H

#include "base/unit.h"

#include "http/fields.h"

/* "Name: value" lines. */
static inline struct fields fields_of(struct arena *arena, const char *lines)
{
    struct fields fields;
    struct text   rest = text_from(lines), line;

    fields_init(&fields, arena, 4);
    while (text_split(&rest, '\n', &line)) {
        size_t colon = text_find(line, ':');
        if (colon < line.len)
            fields_add(&fields, text_part(line, 0, colon),
                       text_trim(text_from_offset(line, colon + 1)));
    }
    return fields;
}

#endif
