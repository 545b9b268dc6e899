// SPDX-License-Identifier: MIT
/* Cookies, read as leniently as RFC 6265 5 asks a receiver to and written back with everything that
 * is not understood left as it stood. Pure functions; results point into their input or an arena. */
#include "http/cookie.h"

#include "base/writer.h"

/* A "name=value" piece between semicolons. */
struct pair {
    struct text name, value;
};

static struct pair pair_of(struct text piece)
{
    size_t equals = text_find(piece, '=');

    return (struct pair){
        .name = text_trim(text_part(piece, 0, equals)),
        .value = equals == piece.len ? text_part(piece, piece.len, 0)
                                     : text_trim(text_from_offset(piece, equals + 1)),
    };
}

bool cookie_find(const struct fields *fields, struct text name, struct text *ret_value)
{
    for (const struct field *field = fields_find(fields, FIELD_COOKIE); field != NULL;
         field = fields_find_next(fields, field)) {
        struct text rest = field->value, piece;
        while (text_split(&rest, ';', &piece)) {
            struct pair pair = pair_of(piece);
            if (text_find(piece, '=') < piece.len && text_is_equal(pair.name, name)) {
                *ret_value = pair.value;
                return true;
            }
        }
    }
    return false;
}

/* What follows the name=value pair and its semicolon; TEXT_NONE: nothing. */
static struct text attributes_of(struct text set_cookie)
{
    size_t semicolon = text_find(set_cookie, ';');

    return semicolon == set_cookie.len ? TEXT_NONE : text_from_offset(set_cookie, semicolon + 1);
}

bool cookie_attribute(struct text set_cookie, struct text name, struct text *ret_value)
{
    struct text rest = attributes_of(set_cookie), piece;

    while (text_split(&rest, ';', &piece)) {
        struct pair pair = pair_of(piece);
        if (text_is_equal_nocase(pair.name, name)) {
            *ret_value = pair.value;
            return true;
        }
    }
    return false;
}

static void write_attribute(struct writer *writer, struct text name, struct text value)
{
    writer_text(writer, TEXT("; "));
    writer_text(writer, name);
    if (value.ptr != NULL) {
        writer_char(writer, '=');
        writer_text(writer, value);
    }
}

/* Copies set_cookie; the first attribute `name` becomes the new one when `may_replace`, others of
 * that name go. Returns whether there was one. */
static bool rewrite(struct writer *writer, struct text set_cookie, struct text name,
                    bool may_replace, struct text value)
{
    struct text rest = attributes_of(set_cookie), piece;
    bool        was_found = false;

    writer_text(writer, text_part(set_cookie, 0, text_find(set_cookie, ';')));
    while (text_split(&rest, ';', &piece)) {
        if (!text_is_equal_nocase(pair_of(piece).name, name)) {
            writer_char(writer, ';');
            writer_text(writer, piece);
            continue;
        }
        if (may_replace && !was_found)
            write_attribute(writer, name, value);
        was_found = true;
    }
    return was_found;
}

struct text cookie_with_attribute(struct arena *arena, struct text set_cookie, struct text name,
                                  struct text value)
{
    struct writer writer = writer_arena(arena, set_cookie.len + name.len + value.len + 4);

    if (!rewrite(&writer, set_cookie, name, true, value))
        write_attribute(&writer, name, value);
    return writer_done(&writer);
}

struct text cookie_without_attribute(struct arena *arena, struct text set_cookie, struct text name)
{
    struct writer writer = writer_arena(arena, set_cookie.len + 1);

    (void)rewrite(&writer, set_cookie, name, false, TEXT_NONE);
    return writer_done(&writer);
}

struct text cookie_name(struct text set_cookie)
{
    struct text pair = text_part(set_cookie, 0, text_find(set_cookie, ';'));

    return text_trim(text_part(pair, 0, text_find(pair, '=')));
}
