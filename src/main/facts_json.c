// SPDX-License-Identifier: MIT
/* A member per line, and an item of a list per line if it has only values in it: as good for `grep` as
 * for programs. */
#include "base/writer.h"
#include "main/facts.h"

enum { FIRST_BYTES = 16 * 1024, INDENT = 2 };

static void fact_write(struct writer *writer, const struct fact *fact, unsigned depth,
                       bool is_inline);

/* How long the UTF-8 sequence at its beginning is; 0: it is none (RFC 3629). */
static size_t utf8_len(struct text text)
{
    static const struct { unsigned char first, last, least, most; uint8_t len; } rows[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    const unsigned char *bytes = (const unsigned char *)text.ptr;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (bytes[0] < rows[i].first || bytes[0] > rows[i].last)
            continue;
        if (text.len < rows[i].len || bytes[1] < rows[i].least || bytes[1] > rows[i].most)
            return 0;
        for (size_t j = 2; j < rows[i].len; j++)
            if ((bytes[j] & 0xc0) != 0x80)
                return 0;
        return rows[i].len;
    }
    return 0;
}

static size_t char_write(struct writer *writer, struct text text)
{
    unsigned char byte = (unsigned char)text.ptr[0];
    size_t        len = byte < 0x80 ? 1 : utf8_len(text);

    if (len == 0)
        writer_string(writer, "\\ufffd");
    else if (byte < ' ' || byte == 0x7f)
        writer_format(writer, "\\u%04x", byte);
    else if (byte == '"' || byte == '\\')
        writer_format(writer, "\\%c", byte);
    else
        writer_text(writer, text_part(text, 0, len));
    return len == 0 ? 1 : len;
}

static void string_write(struct writer *writer, struct text text)
{
    writer_char(writer, '"');
    while (text.len > 0)
        text = text_from_offset(text, char_write(writer, text));
    writer_char(writer, '"');
}

static void break_write(struct writer *writer, unsigned depth, bool is_inline)
{
    writer_char(writer, is_inline ? ' ' : '\n');
    for (unsigned i = 0; i < depth * INDENT && !is_inline; i++)
        writer_char(writer, ' ');
}

static void members_write(struct writer *writer, const struct fact *fact, unsigned depth,
                          bool is_inline)
{
    const char *ends = fact->kind == FACT_LIST ? "[]" : "{}";

    writer_char(writer, ends[0]);
    for (const struct fact *at = fact->first; at != NULL; at = at->next) {
        break_write(writer, depth + 1, is_inline);
        if (at->name != NULL) {
            string_write(writer, text_from(at->name));
            writer_string(writer, ": ");
        }
        fact_write(writer, at, depth + 1,
                   is_inline || (fact->kind == FACT_LIST && fact_has_values_only(at)));
        if (at->next != NULL)
            writer_char(writer, ',');
    }
    if (fact->first != NULL)
        break_write(writer, depth, is_inline);
    writer_char(writer, ends[1]);
}

static void fact_write(struct writer *writer, const struct fact *fact, unsigned depth,
                       bool is_inline)
{
    switch (fact->kind) {
    case FACT_GROUP:
    case FACT_LIST:
        members_write(writer, fact, depth, is_inline);
        break;
    case FACT_NUMBER:
        writer_u64(writer, fact->number);
        break;
    case FACT_TEXT:
        string_write(writer, fact->text);
        break;
    case FACT_NOTHING:
        writer_string(writer, "null");
        break;
    }
}

struct text facts_print_json(const struct fact *root)
{
    struct writer writer = writer_arena(root->arena, FIRST_BYTES);

    fact_write(&writer, root, 0, false);
    writer_char(&writer, '\n');
    return writer_done(&writer);
}
