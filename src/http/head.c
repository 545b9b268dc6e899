// SPDX-License-Identifier: MIT
/* Heads, and the removal of what belongs to one connection only (RFC 9110 7.6.1). Pure; one thread. */
#include "http/head.h"

#include <string.h>

/* Room for as many fields as a head of that size usually has; more cost one copy. */
enum { BYTES_PER_FIELD = 24, FIELDS_FIRST_MOST = 24 };
/* Connection has one or two options in practice. The bound keeps a hostile list from costing options
 * times fields. */
enum { CONNECTION_OPTIONS_MAX = 64 };

static bool options_are_within_limit(const struct fields *fields);
static bool option_strip(struct fields *fields, struct text option);

void head_init(struct head *head, struct arena *arena, size_t wire_bytes)
{
    size_t fields = wire_bytes / BYTES_PER_FIELD + 1;

    memset(head, 0, sizeof(*head));
    head->port = -1;
    head->wire_bytes = (uint32_t)wire_bytes;
    fields_init(&head->fields, arena,
                fields < FIELDS_FIRST_MOST ? (unsigned)fields : FIELDS_FIRST_MOST);
}

bool head_strip_hop_fields(struct head *head)
{
    struct fields *fields = &head->fields;
    const bool     is_bounded = options_are_within_limit(fields);
    bool           is_honest = is_bounded;

    for (struct field *field = fields_find(fields, FIELD_CONNECTION); field != NULL && is_bounded;
         field = fields_find_next(fields, field)) {
        struct text rest = field->value, option;
        while (field_list_next(&rest, &option))
            is_honest = option_strip(fields, option) && is_honest;
    }
    FIELDS_EACH(fields, field)
        if (field_flags((enum field_id)field->id) & (FIELD_HOP | FIELD_FRAMING))
            field->is_gone = true;
    return is_honest;
}

static bool options_are_within_limit(const struct fields *fields)
{
    unsigned count = 0;

    for (const struct field *field = fields_find(fields, FIELD_CONNECTION); field != NULL;
         field = fields_find_next(fields, field)) {
        struct text rest = field->value, option;
        while (field_list_next(&rest, &option))
            if (++count > CONNECTION_OPTIONS_MAX)
                return false;
    }
    return true;
}

/* Hop-by-hop fields are left to the caller: Connection itself must stay until it is read. */
static bool option_strip(struct fields *fields, struct text option)
{
    enum field_id id = field_id_of(option);

    if (field_flags(id) & FIELD_KEEP)
        return false;
    if (!(field_flags(id) & FIELD_HOP))
        fields_remove_name(fields, option);
    return true;
}
