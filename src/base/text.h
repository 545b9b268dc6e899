// SPDX-License-Identifier: MIT
/* Borrowed bytes: never NUL-terminated, never freed through this. Pure functions, any thread.
 * Case folding is ASCII only, as everywhere in HTTP; the locale is never asked. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"

struct text {
    const char *ptr;
    size_t      len;
};

#define TEXT(literal) ((struct text){ .ptr = "" literal, .len = sizeof(literal) - 1 })
#define TEXT_NONE ((struct text){ .ptr = NULL, .len = 0 })
/* For printf: "%.*s", TEXT_ARGS(text) */
#define TEXT_ARGS(text) (int)(text).len, (text).ptr

struct text text_from(const char *string);               /* NULL gives TEXT_NONE */
struct text text_of(const char *ptr, size_t len);
bool        text_is_equal(struct text a, struct text b);
bool        text_is_equal_nocase(struct text a, struct text b);
int         text_compare(struct text a, struct text b);  /* <0, 0, >0, by bytes, then by length */
int         text_compare_nocase(struct text a, struct text b);
bool        text_has_prefix(struct text text, struct text prefix);
bool        text_has_prefix_nocase(struct text text, struct text prefix);
bool        text_has_suffix(struct text text, struct text suffix);
bool        text_has_suffix_nocase(struct text text, struct text suffix);

/* Offset of the first or last `byte`, or text.len if there is none. */
size_t text_find(struct text text, char byte);
size_t text_find_last(struct text text, char byte);
/* Offset of the first `needle`, or text.len if there is none. */
size_t text_find_text(struct text text, struct text needle);

/* What lies at and after `from` (clamped), at most `len` bytes. */
struct text text_part(struct text text, size_t from, size_t len);
struct text text_from_offset(struct text text, size_t from);

/* Without leading and trailing space and tab (OWS of RFC 9110 5.6.3). */
struct text text_trim(struct text text);

/* Takes the next piece up to `separator` off the front of *rest; false when *rest is exhausted.
 * "a,,b" gives "a", "", "b"; start with *rest = the whole text; a NULL ptr gives nothing. */
bool text_split(struct text *rest, char separator, struct text *ret_piece);

/* 1*DIGIT, no sign, no space, no overflow; -EINVAL or -ERANGE otherwise. */
int text_to_u64(struct text text, uint64_t *ret_number) WARN_UNUSED;
/* 1*HEXDIG without prefix, at most 16 digits. */
int text_to_u64_hex(struct text text, uint64_t *ret_number) WARN_UNUSED;

char text_lower_char(char c);
/* The same for eight bytes at once, in whatever order they lie. */
uint64_t text_lower_eight(uint64_t bytes);
/* 0-15, or -1 when c is no hexadecimal digit. */
int text_hex_digit(char c);

/* Edit distance of at most `limit`, ASCII case ignored: for "did you mean". limit + 1 if larger. */
unsigned text_distance(struct text a, struct text b, unsigned limit);

#endif
