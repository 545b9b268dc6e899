// SPDX-License-Identifier: MIT
/* Bare items of structured fields (RFC 9651 4.2.4 to 4.2.10): what kind it is, its first byte tells.
 * Strings are decoded into the arena only where that changes them. Pure functions, any thread. */
#include "http/structured_value.h"

#include <string.h>

#include "http/fields.h"

enum { INTEGER_DIGITS = 15, DECIMAL_WHOLE_DIGITS = 12, DECIMAL_FRACTION_DIGITS = 3 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    char lower = text_lower_char(c);

    return lower >= 'a' && lower <= 'z';
}

static char first_of(struct text text)
{
    return text.len > 0 ? text.ptr[0] : '\0';
}

static bool take_char(struct text *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = text_from_offset(*rest, 1);
    return true;
}

/* As many digits as there are, but at most `most`. */
static bool take_digits(struct text *rest, unsigned most, int64_t *ret_number, unsigned *ret_digits)
{
    int64_t  number = 0;
    unsigned digits = 0;

    for (; is_digit(first_of(*rest)); *rest = text_from_offset(*rest, 1)) {
        if (++digits > most)
            return false;
        number = number * 10 + (rest->ptr[0] - '0');
    }
    *ret_number = number;
    *ret_digits = digits;
    return digits > 0;
}

/* RFC 9651 4.2.4. Decimals are kept in thousandths. */
static bool take_number(struct text *rest, struct structured *ret)
{
    bool     is_negative = take_char(rest, '-');
    int64_t  whole, fraction;
    unsigned digits, fraction_digits;

    if (!take_digits(rest, INTEGER_DIGITS, &whole, &digits))
        return false;
    ret->kind = STRUCTURED_INTEGER;
    if (take_char(rest, '.')) {
        ret->kind = STRUCTURED_DECIMAL;
        if (digits > DECIMAL_WHOLE_DIGITS ||
            !take_digits(rest, DECIMAL_FRACTION_DIGITS, &fraction, &fraction_digits))
            return false;
        for (; fraction_digits < DECIMAL_FRACTION_DIGITS; fraction_digits++)
            fraction *= 10;
        whole = whole * 1000 + fraction;
    }
    ret->number = is_negative ? -whole : whole;
    return true;
}

/* ---- strings ---- */

/* `quoted` is what stands between the quotes: known to be well-formed. */
static struct text without_backslashes(struct text quoted, struct arena *arena)
{
    char  *bytes;
    size_t len = 0;

    if (text_find(quoted, '\\') == quoted.len)
        return quoted;
    bytes = arena_bytes(arena, quoted.len);
    for (size_t i = 0; i < quoted.len; i++) {
        if (quoted.ptr[i] == '\\')
            i++;
        bytes[len++] = quoted.ptr[i];
    }
    return text_of(bytes, len);
}

static bool is_in_string(char c)
{
    return c >= 0x20 && c < 0x7f;
}

/* RFC 9651 4.2.5, after the opening quote. */
static bool take_string(struct text *rest, struct arena *arena, struct structured *ret)
{
    size_t i = 0;

    for (; i < rest->len && rest->ptr[i] != '"'; i++) {
        if (!is_in_string(rest->ptr[i]))
            return false;
        if (rest->ptr[i] == '\\' &&
            (++i == rest->len || (rest->ptr[i] != '"' && rest->ptr[i] != '\\')))
            return false;
    }
    if (i == rest->len)
        return false;
    ret->kind = STRUCTURED_STRING;
    ret->text = without_backslashes(text_part(*rest, 0, i), arena);
    *rest = text_from_offset(*rest, i + 1);
    return true;
}

/* Length of the UTF-8 character at the front of `text`, 0 if it is none: not the shortest form, a
 * surrogate, or beyond U+10FFFF (RFC 3629 3). */
static size_t utf8_len(struct text text)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char         first = (unsigned char)text.ptr[0];
    size_t                len = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2
                                : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
    uint32_t              code = len == 1 ? first : first & (0x7fu >> len);

    if (len == 0 || len > text.len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        unsigned char next = (unsigned char)text.ptr[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (next & 0x3f);
    }
    return code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : len;
}

static bool is_utf8(struct text text)
{
    while (text.len > 0) {
        size_t len = utf8_len(text);
        if (len == 0)
            return false;
        text = text_from_offset(text, len);
    }
    return true;
}

/* Two lower-case hexadecimal digits, or -1. */
static int escaped_byte(struct text digits)
{
    int value = 0;

    if (digits.len != 2)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        if (!is_digit(digits.ptr[i]) && (digits.ptr[i] < 'a' || digits.ptr[i] > 'f'))
            return -1;
        value = value * 16 + text_hex_digit(digits.ptr[i]);
    }
    return value;
}

/* RFC 9651 4.2.10, after the percent sign. */
static bool take_display_string(struct text *rest, struct arena *arena, struct structured *ret)
{
    char  *bytes;
    size_t len = 0;

    if (!take_char(rest, '"'))
        return false;
    bytes = arena_bytes(arena, text_find(*rest, '"') + 1);
    while (rest->len > 0 && is_in_string(rest->ptr[0])) {
        int byte = (unsigned char)rest->ptr[0];

        *rest = text_from_offset(*rest, 1);
        if (byte == '"') {
            ret->kind = STRUCTURED_DISPLAY_STRING;
            ret->text = text_of(bytes, len);
            return is_utf8(ret->text);
        }
        if (byte == '%') {
            byte = escaped_byte(text_part(*rest, 0, 2));
            *rest = text_from_offset(*rest, 2);
        }
        if (byte < 0)
            return false;
        bytes[len++] = (char)byte;
    }
    return false;
}

/* ---- tokens, bytes, dates, booleans ---- */

static bool is_in_token(char c)
{
    return (field_chars[(unsigned char)c] & FIELD_CHAR_TOKEN) != 0 || c == ':' || c == '/';
}

/* RFC 9651 4.2.6 */
static bool take_token(struct text *rest, struct structured *ret)
{
    size_t len = 0;

    while (len < rest->len && is_in_token(rest->ptr[len]))
        len++;
    ret->kind = STRUCTURED_TOKEN;
    ret->text = text_part(*rest, 0, len);
    *rest = text_from_offset(*rest, len);
    return true;
}

static int base64_value(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char       *at = c == '\0' ? NULL : strchr(alphabet, c);

    return at != NULL ? (int)(at - alphabet) : -1;
}

/* Missing "=" and bits beyond the last byte are no mistake (RFC 9651 4.2.7). */
static bool decode_base64(struct text coded, char *bytes, size_t *ret_len)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t   len = 0, padding = 0;

    for (; padding < 2 && coded.len > 0 && coded.ptr[coded.len - 1] == '='; padding++)
        coded.len--;
    if (coded.len % 4 == 1 || (padding > 0 && (coded.len + padding) % 4 != 0))
        return false;
    for (size_t i = 0; i < coded.len; i++) {
        int value = base64_value(coded.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[len++] = (char)(bits >> count & 0xff);
        }
    }
    *ret_len = len;
    return true;
}

/* RFC 9651 4.2.7, after the opening colon. */
static bool take_bytes(struct text *rest, struct arena *arena, struct structured *ret)
{
    size_t colon = text_find(*rest, ':'), len;
    char  *bytes;

    if (colon == rest->len)
        return false;
    bytes = arena_bytes(arena, colon + 1);
    if (!decode_base64(text_part(*rest, 0, colon), bytes, &len))
        return false;
    ret->kind = STRUCTURED_BYTES;
    ret->text = text_of(bytes, len);
    *rest = text_from_offset(*rest, colon + 1);
    return true;
}

/* RFC 9651 4.2.8, after the question mark. */
static bool take_boolean(struct text *rest, struct structured *ret)
{
    ret->kind = STRUCTURED_BOOLEAN;
    ret->number = first_of(*rest) == '1';
    return take_char(rest, '0') || take_char(rest, '1');
}

/* RFC 9651 4.2.9, after the at sign. */
static bool take_date(struct text *rest, struct structured *ret)
{
    if (!take_number(rest, ret) || ret->kind != STRUCTURED_INTEGER)
        return false;
    ret->kind = STRUCTURED_DATE;
    return true;
}

bool structured_take_value(struct text *rest, struct arena *arena, struct structured *ret)
{
    char first = first_of(*rest);

    if (first == '-' || is_digit(first))
        return take_number(rest, ret);
    if (first == '*' || is_alpha(first))
        return take_token(rest, ret);
    if (take_char(rest, '"'))
        return take_string(rest, arena, ret);
    if (take_char(rest, '?'))
        return take_boolean(rest, ret);
    if (take_char(rest, ':'))
        return take_bytes(rest, arena, ret);
    if (take_char(rest, '@'))
        return take_date(rest, ret);
    return take_char(rest, '%') && take_display_string(rest, arena, ret);
}

/* ---- writing ---- */

bool structured_is_token(struct text text)
{
    if (first_of(text) != '*' && !is_alpha(first_of(text)))
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!is_in_token(text.ptr[i]))
            return false;
    return true;
}

bool structured_write_string(struct writer *writer, struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_in_string(text.ptr[i]))
            return false;
    writer_char(writer, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            writer_char(writer, '\\');
        writer_char(writer, text.ptr[i]);
    }
    writer_char(writer, '"');
    return true;
}
