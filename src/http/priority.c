// SPDX-License-Identifier: MIT
/* A dictionary with two members. Pure functions, any thread. */
#include "http/priority.h"

#include "http/structured.h"

/* A text of more could not be a priority, and is not worth its parsing. */
enum { FIELD_BYTES_MOST = 1024 };

struct priority priority_default(void)
{
    return (struct priority){ .urgency = PRIORITY_URGENCY_DEFAULT };
}

static void urgency_read(const struct structured *member, struct priority *priority)
{
    if (member != NULL && member->kind == STRUCTURED_INTEGER && member->number >= 0 &&
        member->number <= PRIORITY_URGENCY_LEAST)
        priority->urgency = (unsigned)member->number;
}

struct priority priority_merge(struct priority priority, const struct fields *fields,
                               struct arena *arena)
{
    struct text              text = fields_joined(fields, TEXT("Priority"), arena);
    struct structured       *first = NULL;
    const struct structured *incremental;

    if (text.len == 0 || text.len > FIELD_BYTES_MOST ||
        structured_parse_dictionary(text, arena, &first) != 0)
        return priority;
    urgency_read(structured_find(first, TEXT("u")), &priority);
    incremental = structured_find(first, TEXT("i"));
    if (incremental != NULL && incremental->kind == STRUCTURED_BOOLEAN)
        priority.is_incremental = incremental->number != 0;
    return priority;
}
