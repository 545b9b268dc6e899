// SPDX-License-Identifier: MIT
/* Header fields in the order in which they came, with the well-known names as numbers.
 *
 * Names and values are borrowed: they point into the message's arena, which also holds the list.
 * Owner: the head that contains it; one thread. */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

enum { FIELD_HOP = 1u << 0, FIELD_FRAMING = 1u << 1, FIELD_KEEP = 1u << 2 };

enum field_id {
    FIELD_OTHER = 0,                     /* compare by name */
#define N(id, name, flags) FIELD_##id,
#include "http/field_names.def"
#undef N
    FIELD_ID_COUNT
};

struct field {
    struct text name, value;             /* the name as it was written, the value without OWS */
    uint8_t     id;                      /* enum field_id */
    bool        is_odd;                  /* a valid token with characters beyond A-Z a-z 0-9 - */
    bool        is_gone;                 /* removed; skipped by everybody */
    bool        is_as_read;              /* the texts lie in the line that they were read from */
};

struct fields {
    struct arena *arena;
    struct field *items;
    unsigned      count, capacity;       /* count includes what is_gone */
};

void fields_init(struct fields *fields, struct arena *arena, unsigned first_capacity);

enum field_id field_id_of(struct text name);             /* any case */
struct text   field_name(enum field_id id);              /* canonical spelling */
struct text   field_name_lower(enum field_id id);        /* the same in lower case */
unsigned      field_flags(enum field_id id);
/* Connection-specific: may not stand in an HTTP/2 message (RFC 9113 8.2.2). TE is a case of its own. */
bool          field_is_of_connection(enum field_id id);
/* May it be a trailer? What decides over routing, framing, authentication, caching or the meaning of
 * the content is of no use after it, and dangerous (RFC 9110 6.5.1). */
bool          field_may_trail(enum field_id id);

/* Room for one more at the end, counted, not filled in: for a parser that knows id and is_odd. */
static inline struct field *fields_push(struct fields *fields);
/* Appends; texts are borrowed. */
void fields_add(struct fields *fields, struct text name, struct text value);
void fields_add_id(struct fields *fields, enum field_id id, struct text value);

/* First one that is not gone, or NULL. */
struct field *fields_find(const struct fields *fields, enum field_id id);
struct field *fields_find_name(const struct fields *fields, struct text name);   /* any case */
/* The next of the same name after `field`, or NULL. */
struct field *fields_find_next(const struct fields *fields, const struct field *field);
struct text   fields_value(const struct fields *fields, enum field_id id);       /* TEXT_NONE: absent */

/* Replaces the first and removes the others, or appends. */
void fields_set(struct fields *fields, enum field_id id, struct text value);
void fields_set_name(struct fields *fields, struct text name, struct text value);
void fields_remove(struct fields *fields, enum field_id id);
void fields_remove_name(struct fields *fields, struct text name);

/* All values of one name as one, joined with ", " (RFC 9110 5.3), "; " for Cookie. */
struct text fields_joined(const struct fields *fields, struct text name, struct arena *arena);

#define FIELDS_EACH(fields, field)                                                        \
    for (struct field *field = (fields)->items; field < (fields)->items + (fields)->count; field++) \
        if (!field->is_gone)

/* One entry per byte: may it stand in a token (RFC 9110 5.6.2), is it beyond A-Z a-z 0-9 -. */
enum { FIELD_CHAR_TOKEN = 1u << 0, FIELD_CHAR_ODD = 1u << 1 };
extern const uint8_t field_chars[256];

/* RFC 9110 5.6.2 and 5.5. A valid value has no control character but tab. */
bool field_name_is_valid(struct text name);
bool field_value_is_valid(struct text value);
/* Writes spaces over them: for values that a configuration's variables made. */
void field_blank_controls(char *bytes, size_t len);

void fields_grow(struct fields *fields);                 /* for fields_push() */

static inline struct field *fields_push(struct fields *fields)
{
    if (fields->count == fields->capacity)
        fields_grow(fields);
    return &fields->items[fields->count++];
}

/* Content-Length: 1*DIGIT below 2^63, what everybody behind us can count with. */
bool field_length_read(struct text value, uint64_t *ret_length);

/* Takes the next element of a comma-separated list (RFC 9110 5.6.1; quoted strings are kept whole,
 * empty elements skipped); false at the end. */
bool field_list_next(struct text *rest, struct text *ret_element);
/* Is it one of the list's elements, whatever the case? */
bool field_list_has(struct text list, struct text wanted);

#endif
