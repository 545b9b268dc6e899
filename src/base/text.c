// SPDX-License-Identifier: MIT
/* Borrowed text: comparing, finding, cutting, numbers. Finding is left to the C library, which knows
 * the CPU's wide instructions; comparing without case goes eight bytes at a time, since field names
 * are compared for every message. A NULL ptr is the empty text everywhere. */
#include "base/text.h"

#include <errno.h>
#include <string.h>

struct text text_from(const char *string)
{
    return (struct text){ .ptr = string, .len = string != NULL ? strlen(string) : 0 };
}

struct text text_of(const char *ptr, size_t len)
{
    return (struct text){ .ptr = ptr, .len = len };
}

char text_lower_char(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int compare_nocase(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int difference =
            (unsigned char)text_lower_char(a[i]) - (unsigned char)text_lower_char(b[i]);

        if (difference != 0)
            return difference;
    }
    return 0;
}

static int compare_len(size_t a, size_t b)
{
    return a < b ? -1 : a > b;
}

bool text_is_equal(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

uint64_t text_lower_eight(uint64_t bytes)
{
    const uint64_t each = 0x0101010101010101u;
    uint64_t       low = bytes & (each * 0x7f);
    uint64_t       from_a = low + each * (0x80 - 'A'), past_z = low + each * (0x7f - 'Z');

    /* The high bit of each byte that is a capital letter, moved to where case is. */
    return bytes | (from_a & ~past_z & ~bytes & (each * 0x80)) >> 2;
}

static bool is_equal_eight(const char *a, const char *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x == y || text_lower_eight(x) == text_lower_eight(y);
}

bool text_is_equal_nocase(struct text a, struct text b)
{
    size_t at = 0;

    if (a.len != b.len)
        return false;
    if (a.len < 8)
        return compare_nocase(a.ptr, b.ptr, a.len) == 0;
    for (; at + 8 < a.len; at += 8)
        if (!is_equal_eight(a.ptr + at, b.ptr + at))
            return false;
    /* The last eight may overlap those before. */
    return is_equal_eight(a.ptr + a.len - 8, b.ptr + a.len - 8);
}

int text_compare(struct text a, struct text b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int    difference = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    return difference != 0 ? difference : compare_len(a.len, b.len);
}

int text_compare_nocase(struct text a, struct text b)
{
    int difference = compare_nocase(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

    return difference != 0 ? difference : compare_len(a.len, b.len);
}

bool text_has_prefix(struct text text, struct text prefix)
{
    return text.len >= prefix.len && text_is_equal(text_part(text, 0, prefix.len), prefix);
}

bool text_has_prefix_nocase(struct text text, struct text prefix)
{
    return text.len >= prefix.len && text_is_equal_nocase(text_part(text, 0, prefix.len), prefix);
}

bool text_has_suffix(struct text text, struct text suffix)
{
    return text.len >= suffix.len &&
           text_is_equal(text_from_offset(text, text.len - suffix.len), suffix);
}

bool text_has_suffix_nocase(struct text text, struct text suffix)
{
    return text.len >= suffix.len &&
           text_is_equal_nocase(text_from_offset(text, text.len - suffix.len), suffix);
}

size_t text_find(struct text text, char byte)
{
    const char *at = text.len > 0 ? memchr(text.ptr, byte, text.len) : NULL;

    return at != NULL ? (size_t)(at - text.ptr) : text.len;
}

size_t text_find_last(struct text text, char byte)
{
    const char *at = text.len > 0 ? memrchr(text.ptr, byte, text.len) : NULL;

    return at != NULL ? (size_t)(at - text.ptr) : text.len;
}

size_t text_find_text(struct text text, struct text needle)
{
    const char *at;

    if (needle.len == 0)
        return 0;
    at = text.len > 0 ? memmem(text.ptr, text.len, needle.ptr, needle.len) : NULL;
    return at != NULL ? (size_t)(at - text.ptr) : text.len;
}

struct text text_part(struct text text, size_t from, size_t len)
{
    if (from > text.len)
        from = text.len;
    if (len > text.len - from)
        len = text.len - from;
    return text_of(text.ptr == NULL ? NULL : text.ptr + from, len);
}

struct text text_from_offset(struct text text, size_t from)
{
    return text_part(text, from, text.len);
}

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

struct text text_trim(struct text text)
{
    while (text.len > 0 && is_ows(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_ows(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

bool text_split(struct text *rest, char separator, struct text *ret_piece)
{
    size_t at;

    if (rest->ptr == NULL)
        return false;
    at = text_find(*rest, separator);
    *ret_piece = text_part(*rest, 0, at);
    /* What follows a last separator is one more piece, empty; after that there is nothing. */
    *rest = at < rest->len ? text_from_offset(*rest, at + 1) : TEXT_NONE;
    return true;
}

int text_to_u64(struct text text, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - (unsigned)'0';

        if (digit > 9)
            return -EINVAL;
        if (number > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return 0;
}

int text_hex_digit(char c)
{
    char lower = text_lower_char(c);

    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int text_to_u64_hex(struct text text, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text.len == 0)
        return -EINVAL;
    if (text.len > 16)
        return -ERANGE;
    for (size_t i = 0; i < text.len; i++) {
        int digit = text_hex_digit(text.ptr[i]);

        if (digit < 0)
            return -EINVAL;
        number = number << 4 | (unsigned)digit;
    }
    *ret_number = number;
    return 0;
}

enum { DISTANCE_BYTES = 64 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

unsigned text_distance(struct text a, struct text b, unsigned limit)
{
    unsigned row[DISTANCE_BYTES + 1];

    if (a.len > DISTANCE_BYTES || b.len > DISTANCE_BYTES)
        return limit + 1;
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned above = row[j];
            bool is_same = text_lower_char(a.ptr[i - 1]) == text_lower_char(b.ptr[j - 1]);

            row[j] = least(above + 1, row[j - 1] + 1, diagonal + !is_same);
            diagonal = above;
        }
    }
    return row[b.len] > limit ? limit + 1 : row[b.len];
}
