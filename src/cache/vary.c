// SPDX-License-Identifier: MIT
/* Specs and variants of Vary. A variant is one line per name of the spec: "-" for a field that is
 * absent, "=" and the value else. No value that the parser lets through has a line end, so no value
 * can look like two. */
#include "cache/vary.h"

#include "base/writer.h"
#include "cache/accept_encoding.h"

/* ---- the spec ---- */

struct names {
    struct text items[VARY_NAMES_MAX];   /* sorted, each once */
    unsigned    count;
};

static bool names_add(struct names *names, struct text name)
{
    unsigned at = 0;

    while (at < names->count && text_compare_nocase(names->items[at], name) < 0)
        at++;
    if (at < names->count && text_is_equal_nocase(names->items[at], name))
        return true;
    if (names->count == VARY_NAMES_MAX)
        return false;
    for (unsigned i = names->count++; i > at; i--)
        names->items[i] = names->items[i - 1];
    names->items[at] = name;
    return true;
}

/* False: the list has a "*" or something that is no name, or too many names. */
static bool names_read(struct names *names, const struct fields *response)
{
    for (const struct field *field = fields_find(response, FIELD_VARY); field != NULL;
         field = fields_find_next(response, field)) {
        struct text rest = field->value, name;
        while (field_list_next(&rest, &name))
            if (text_is_equal(name, TEXT("*")) || !field_name_is_valid(name) ||
                !names_add(names, name))
                return false;
    }
    return true;
}

static void write_lower(struct writer *writer, struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        writer_char(writer, text_lower_char(text.ptr[i]));
}

enum vary_kind vary_spec(const struct fields *response, struct arena *arena, struct text *ret_spec)
{
    struct names  names = { .count = 0 };
    struct writer writer;

    *ret_spec = TEXT_NONE;
    if (!names_read(&names, response))
        return VARY_NEVER;
    if (names.count == 0)
        return VARY_NOTHING;
    writer = writer_fixed(arena_bytes(arena, VARY_SPEC_MAX), VARY_SPEC_MAX);
    for (unsigned i = 0; i < names.count; i++) {
        if (i > 0)
            writer_char(&writer, ',');
        write_lower(&writer, names.items[i]);
    }
    if (writer.is_cut)
        return VARY_NEVER;
    *ret_spec = writer_done(&writer);
    return VARY_FIELDS;
}

/* ---- the variant ---- */

/* Blanks around the members and their weights go, and case: tags are compared without it
 * (RFC 9110 8.5.1). Order stays, it may be what the origin goes by. */
static void write_languages(struct writer *writer, struct text value)
{
    struct text member, piece;
    bool        is_first = true;

    while (field_list_next(&value, &member)) {
        if (!is_first)
            writer_char(writer, ',');
        is_first = false;
        for (const char *separator = ""; text_split(&member, ';', &piece); separator = ";") {
            writer_string(writer, separator);
            write_lower(writer, text_trim(piece));
        }
    }
}

static void write_value(struct writer *writer, struct text name, struct text value)
{
    if (text_is_equal(name, TEXT("accept-encoding")))
        accept_encoding_write(writer, value);
    else if (text_is_equal(name, TEXT("accept-language")))
        write_languages(writer, value);
    else
        writer_text(writer, text_trim(value));
}

bool vary_variant(struct text spec, const struct fields *request, struct arena *arena,
                  struct text *ret_variant)
{
    struct writer writer = writer_arena(arena, 128);
    struct text   name, value;

    while (text_split(&spec, ',', &name)) {
        if (fields_find_name(request, name) == NULL) {
            writer_string(&writer, "-\n");
            continue;
        }
        value = fields_joined(request, name, arena);
        if (writer.len + value.len > VARY_VARIANT_MAX)
            return false;
        writer_char(&writer, '=');
        write_value(&writer, name, value);
        writer_char(&writer, '\n');
    }
    if (writer.len > VARY_VARIANT_MAX)
        return false;
    *ret_variant = writer_done(&writer);
    return true;
}
