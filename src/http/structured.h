// SPDX-License-Identifier: MIT
/* Structured fields (RFC 9651): dictionaries, lists and items as values, and strings and tokens back.
 *
 * Strict as the RFC's algorithms are: one mistake, and the field is as if it were not there. A field
 * that came in several lines is joined first (fields_joined()). Pure functions; what is read lies in
 * the arena or points into the text. */
#ifndef HTTP_STRUCTURED_H
#define HTTP_STRUCTURED_H

#include <stdint.h>

#include "base/arena.h"
#include "base/writer.h"

/* Members, inner items and parameters of one field together: a list or dictionary of the 1024 members
 * that must be read (RFC 9651 3.1, 3.2), and as many as an inner list's 256 besides. */
enum { STRUCTURED_NODES_MAX = 1024 + 256 };

enum structured_kind {
    STRUCTURED_BOOLEAN = 0, STRUCTURED_INTEGER, STRUCTURED_DECIMAL, STRUCTURED_STRING,
    STRUCTURED_TOKEN, STRUCTURED_BYTES, STRUCTURED_DATE, STRUCTURED_DISPLAY_STRING,
    STRUCTURED_INNER_LIST
};

struct structured {
    struct structured   *next;           /* member, inner item or parameter */
    struct text          key;            /* of a dictionary's member or a parameter; else empty */
    enum structured_kind kind;
    int64_t              number;         /* BOOLEAN: 0 or 1; INTEGER; DATE: seconds since 1970;
                                            DECIMAL: thousandths */
    struct text          text;           /* STRING, TOKEN, BYTES, DISPLAY_STRING (UTF-8): decoded */
    struct structured   *items;          /* INNER_LIST: NULL when empty */
    struct structured   *parameters;
};

/* RFC 9651 4.2. *ret_first is NULL for an empty field. -EINVAL: not valid; -E2BIG: more than
 * STRUCTURED_NODES_MAX. A key that comes again has its first place and its last value. */
int structured_parse_dictionary(struct text text, struct arena *arena,
                                struct structured **ret_first) WARN_UNUSED;
int structured_parse_list(struct text text, struct arena *arena, struct structured **ret_first)
    WARN_UNUSED;
/* Exactly one bare item with its parameters; an empty field is not valid. */
int structured_parse_item(struct text text, struct arena *arena, struct structured **ret_item)
    WARN_UNUSED;

/* The member or parameter `key` in a chain, or NULL. */
const struct structured *structured_find(const struct structured *first, struct text key);

/* Writes a String in quotes (RFC 9651 4.1.6). False, and nothing is written: it has bytes that no
 * String can have (beyond 0x20 to 0x7e). */
bool structured_write_string(struct writer *writer, struct text text) WARN_UNUSED;
/* May it be written as a Token as it stands (RFC 9651 4.1.7)? */
bool structured_is_token(struct text text);

#endif
