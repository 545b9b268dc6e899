// SPDX-License-Identifier: MIT
#include "proxy/shaped_head.h"

#include "http/conditional.h"
#include "http/status.h"

enum { SPARE_FIELDS = 4, CONTENT_RANGE_BYTES = 80 };

struct head *shaped_head_copy(struct arena *arena, const struct head *head)
{
    struct head *copy = ARENA_NEW(arena, struct head);

    *copy = *head;
    fields_init(&copy->fields, arena, head->fields.count + SPARE_FIELDS);
    FIELDS_EACH(&head->fields, field)
        *fields_push(&copy->fields) = *field;
    return copy;
}

struct head *shaped_head_keep(struct arena *arena, const struct head *head)
{
    struct head *copy = shaped_head_copy(arena, head);

    copy->reason = arena_copy(arena, head->reason);
    copy->line = arena_copy(arena, head->line);
    copy->upgrade = arena_copy(arena, head->upgrade);
    FIELDS_EACH(&copy->fields, field) {
        field->name = arena_copy(arena, field->name);
        field->value = arena_copy(arena, field->value);
        field->is_as_read = false;       /* the line that held both has stayed behind */
    }
    return copy;
}

static void set_status(struct head *head, unsigned status)
{
    head->status = status;
    head->reason = status_reason(status);
}

void shaped_head_304(struct head *head)
{
    bool has_etag = fields_find(&head->fields, FIELD_ETAG) != NULL;

    FIELDS_EACH(&head->fields, field)
        if (!conditional_is_in_304(field, has_etag))
            field->is_gone = true;
    set_status(head, 304);
}

void shaped_head_206(struct head *head)
{
    set_status(head, 206);
}

void shaped_head_part(struct head *head, struct range_part part, uint64_t length)
{
    struct writer writer = writer_arena(head->fields.arena, CONTENT_RANGE_BYTES);

    range_write_content_range(&writer, part, length);
    fields_set(&head->fields, FIELD_CONTENT_RANGE, writer_done(&writer));
}

void shaped_head_416(struct head *head, uint64_t length)
{
    struct writer writer = writer_arena(head->fields.arena, CONTENT_RANGE_BYTES);

    range_write_unsatisfied(&writer, length);
    fields_set(&head->fields, FIELD_CONTENT_RANGE, writer_done(&writer));
    fields_remove(&head->fields, FIELD_CONTENT_TYPE);
    fields_remove(&head->fields, FIELD_CONTENT_ENCODING);
    set_status(head, 416);
}
