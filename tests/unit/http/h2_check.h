// SPDX-License-Identifier: MIT
/* What the tests of HTTP/2 heads share: blocks written as lines, and lists read back as lines. */
#ifndef TESTS_UNIT_HTTP_H2_CHECK_H
#define TESTS_UNIT_HTTP_H2_CHECK_H

#include "base/unit.h"

#include "base/writer.h"
#include "http/h2_head.h"
#include "http/h2_write.h"

static const struct head_limits h2_limits = {
    .line_bytes = 8192, .field_bytes = 8192, .head_bytes = 32768, .fields = 128,
};

static const uint8_t h2_key[H2_KEY_BYTES] = "the sample nonc";

/* Each line is a name, one space, a value. */
static inline void h2_feed(struct h2_head *block, const char *lines)
{
    struct text rest = text_from(lines), line;

    while (text_split(&rest, '\n', &line) && line.len > 0) {
        size_t space = text_find(text_from_offset(line, 1), ' ') + 1;
        h2_head_add(block, text_part(line, 0, space), text_from_offset(line, space + 1));
    }
}

static inline int h2_request(struct h2_head *block, struct arena *arena, const char *lines,
                             bool is_end)
{
    h2_head_begin(block, H2_HEAD_REQUEST, &h2_limits, arena);
    h2_feed(block, lines);
    return h2_head_end_request(block, is_end, h2_key);
}

/* "Name: value" and a line break for each field. */
static inline struct text h2_fields_text(const struct fields *fields, struct arena *arena)
{
    struct writer writer = writer_arena(arena, 256);

    FIELDS_EACH(fields, field)
        writer_format(&writer, "%.*s: %.*s\n", TEXT_ARGS(field->name), TEXT_ARGS(field->value));
    return writer_done(&writer);
}

static inline struct text h2_list_text(const struct h2_list *list, struct arena *arena)
{
    struct writer writer = writer_arena(arena, 256);

    for (size_t i = 0; i < list->count; i++)
        writer_format(&writer, "%.*s %.*s\n", (int)list->items[i].namelen, list->items[i].name,
                      (int)list->items[i].valuelen, list->items[i].value);
    return writer_done(&writer);
}

#endif
