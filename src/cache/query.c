// SPDX-License-Identifier: MIT
/* No-Vary-Search. Names and values are kept in one normal spelling throughout: decoded as a form is
 * (application/x-www-form-urlencoded), then every byte but letters, digits and "-._*~" as %XX. So the
 * names of a spec and those of a query are compared as texts. */
#include "cache/query.h"

#include "base/writer.h"
#include "http/structured.h"

static const struct text field_text = { "No-Vary-Search", 14 };

enum { BYTE_SPELLED = 3 };               /* bytes that one byte becomes at most */

/* ---- spelling ---- */

/* The byte at *i of a form's text; *i moves behind it. */
static char take_byte(struct text text, size_t *i)
{
    char c = text.ptr[(*i)++];
    int  high, low;

    if (c == '+')
        return ' ';
    if (c != '%' || text.len - *i < 2)
        return c;
    high = text_hex_digit(text.ptr[*i]);
    low = text_hex_digit(text.ptr[*i + 1]);
    if (high < 0 || low < 0)
        return c;
    *i += 2;
    return (char)(high * 16 + low);
}

static bool is_plain(char c)
{
    char lower = text_lower_char(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '*' || c == '~';
}

static void write_byte(struct writer *writer, char c)
{
    static const char digits[] = "0123456789ABCDEF";

    if (is_plain(c)) {
        writer_char(writer, c);
        return;
    }
    writer_char(writer, '%');
    writer_char(writer, digits[(unsigned char)c >> 4]);
    writer_char(writer, digits[(unsigned char)c & 15]);
}

/* What it wrote, which lies in the writer's room. */
static struct text write_spelled(struct writer *writer, struct text text)
{
    size_t from = writer->len;

    for (size_t i = 0; i < text.len;)
        write_byte(writer, take_byte(text, &i));
    return text_from_offset(writer_done(writer), from);
}

/* ---- the spec ---- */

struct variance {
    bool                     has_order;  /* the order of names matters */
    bool                     is_keeping; /* only `names` matter; else all but them */
    const struct structured *names;
};

/* All members of an inner list are Strings. */
static bool read_names(const struct structured *member, const struct structured **ret_names)
{
    if (member->kind != STRUCTURED_INNER_LIST)
        return false;
    for (const struct structured *item = member->items; item != NULL; item = item->next)
        if (item->kind != STRUCTURED_STRING)
            return false;
    *ret_names = member->items;
    return true;
}

/* Section 5.1 of the draft; false: the default. */
static bool read_variance(const struct structured *first, struct variance *variance)
{
    const struct structured *order = structured_find(first, TEXT("key-order"));
    const struct structured *params = structured_find(first, TEXT("params"));
    const struct structured *except = structured_find(first, TEXT("except"));

    *variance = (struct variance){ .has_order = true };
    if (order != NULL && order->kind != STRUCTURED_BOOLEAN)
        return false;
    if (order != NULL)
        variance->has_order = order->number == 0;
    if (params != NULL && params->kind == STRUCTURED_BOOLEAN)
        variance->is_keeping = params->number != 0;
    else if (params != NULL && !read_names(params, &variance->names))
        return false;
    if (except != NULL && (!variance->is_keeping || !read_names(except, &variance->names)))
        return false;
    return !variance->has_order || variance->is_keeping || variance->names != NULL;
}

/* Sorted, each once; false: too many. */
static bool add_name(struct text *names, unsigned *count, struct text name)
{
    unsigned at = 0;

    while (at < *count && text_compare(names[at], name) < 0)
        at++;
    if (at < *count && text_is_equal(names[at], name))
        return true;
    if (*count == QUERY_NAMES_MAX)
        return false;
    for (unsigned i = (*count)++; i > at; i--)
        names[i] = names[i - 1];
    names[at] = name;
    return true;
}

static struct text write_spec(const struct variance *variance, struct arena *arena)
{
    struct text   names[QUERY_NAMES_MAX];
    unsigned      count = 0;
    struct writer writer = writer_fixed(arena_bytes(arena, QUERY_SPEC_MAX), QUERY_SPEC_MAX);
    struct writer room = writer_fixed(arena_bytes(arena, QUERY_SPEC_MAX), QUERY_SPEC_MAX);

    for (const struct structured *name = variance->names; name != NULL; name = name->next)
        if (!add_name(names, &count, write_spelled(&room, name->text)))
            return TEXT_NONE;
    writer_char(&writer, variance->has_order ? '=' : '~');
    writer_char(&writer, variance->is_keeping ? '+' : '-');
    for (unsigned i = 0; i < count; i++) {
        writer_char(&writer, '&');
        writer_text(&writer, names[i]);
    }
    return writer.is_cut || room.is_cut ? TEXT_NONE : writer_done(&writer);
}

struct text query_spec(const struct fields *response, struct arena *arena)
{
    struct structured *first = NULL;
    struct variance    variance;
    struct text        value = fields_joined(response, field_text, arena);

    if (value.len == 0 || structured_parse_dictionary(value, arena, &first) != 0 ||
        !read_variance(first, &variance))
        return TEXT_NONE;
    return write_spec(&variance, arena);
}

/* ---- the query ---- */

struct pair {
    struct text name, value;
};

static bool is_named(struct text names, struct text name)
{
    struct text piece;

    /* What is in front of the first "&" is no name. */
    (void)text_split(&names, '&', &piece);
    while (text_split(&names, '&', &piece))
        if (text_is_equal(piece, name))
            return true;
    return false;
}

/* Splits a query and keeps the pairs that matter; `room` is large enough for all of them. */
static bool read_pairs(struct text spec, struct text query, struct writer *room, struct pair *pairs,
                       unsigned *ret_count)
{
    bool        is_keeping = spec.ptr[1] == '+';
    struct text names = text_from_offset(spec, 2), piece;
    unsigned    count = 0;

    while (text_split(&query, '&', &piece)) {
        size_t      equals = text_find(piece, '=');
        struct text name;

        if (piece.len == 0)
            continue;
        name = write_spelled(room, text_part(piece, 0, equals));
        if (is_named(names, name) != is_keeping)
            continue;
        if (count == QUERY_PAIRS_MAX)
            return false;
        pairs[count].name = name;
        pairs[count++].value = write_spelled(room, text_from_offset(piece, equals + 1));
    }
    *ret_count = count;
    return true;
}

/* By name; pairs of one name stay in their order. */
static void sort_pairs(struct pair *pairs, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct pair pair = pairs[i];
        unsigned    at = i;
        for (; at > 0 && text_compare(pairs[at - 1].name, pair.name) > 0; at--)
            pairs[at] = pairs[at - 1];
        pairs[at] = pair;
    }
}

bool query_normalise(struct text spec, struct text query, struct arena *arena,
                     struct text *ret_query)
{
    struct pair   pairs[QUERY_PAIRS_MAX];
    unsigned      count;
    size_t        size = query.len * BYTE_SPELLED + 1;
    struct writer room, writer;

    must(spec.len >= 2);
    if (query.len > QUERY_BYTES_MAX)
        return false;
    room = writer_fixed(arena_bytes(arena, size), size);
    if (!read_pairs(spec, query, &room, pairs, &count))
        return false;
    if (spec.ptr[0] == '~')
        sort_pairs(pairs, count);
    writer = writer_arena(arena, room.len + 2 * count + 1);
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            writer_char(&writer, '&');
        writer_text(&writer, pairs[i].name);
        writer_char(&writer, '=');
        writer_text(&writer, pairs[i].value);
    }
    *ret_query = writer_done(&writer);
    return true;
}
