// SPDX-License-Identifier: MIT
/* Fields that Connection names (RFC 9110 7.6.1), without touching the head as received. A list
 * of well-known options ("keep-alive", "close", "upgrade") needs no copy. Pure; one thread. */
#include "proxy/hop.h"

#include <string.h>

static bool is_plain_option(struct text option)
{
    enum field_id id = field_id_of(option);

    if (id != FIELD_OTHER)
        return (field_flags(id) & (FIELD_HOP | FIELD_KEEP)) == FIELD_HOP;
    return text_is_equal_nocase(option, TEXT("close"));
}

static bool is_plain(const struct fields *fields)
{
    for (const struct field *field = fields_find(fields, FIELD_CONNECTION); field != NULL;
         field = fields_find_next(fields, field)) {
        struct text rest = field->value, option;
        if (text_is_equal_nocase(rest, TEXT("keep-alive")))
            continue;                    /* what browsers and peers say all day */
        while (field_list_next(&rest, &option))
            if (!is_plain_option(option))
                return false;
    }
    return true;
}

bool hop_fields(const struct head *head, struct arena *arena, struct fields *ret_fields)
{
    struct head copy;
    bool        is_honest;

    *ret_fields = head->fields;
    if (is_plain(&head->fields))
        return true;
    copy = *head;
    copy.fields.items = ARENA_ARRAY(arena, struct field, head->fields.count);
    copy.fields.capacity = head->fields.count;
    memcpy(copy.fields.items, head->fields.items, head->fields.count * sizeof(*copy.fields.items));
    is_honest = head_strip_hop_fields(&copy);
    *ret_fields = copy.fields;
    return is_honest;
}
