// SPDX-License-Identifier: MIT
/* Entity tags. A tag is an opaque string between quotes in which a backslash is a character like any
 * other, so the list walker for quoted strings (fields.h) would misread it: this has its own. */
#include "http/etag.h"

/* etagc, and the blank, which the grammar has not: origins send tags with blanks, and between quotes
 * there is but one way to read them. */
static bool is_tag_char(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte == 0x20 || byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

/* Bytes of the tag at the front of the text; 0: there is none. */
static size_t tag_len(struct text text)
{
    size_t i = text_has_prefix(text, TEXT("W/")) ? 2 : 0;

    if (i == text.len || text.ptr[i] != '"')
        return 0;
    for (i++; i < text.len && is_tag_char(text.ptr[i]);)
        i++;
    return i < text.len && text.ptr[i] == '"' ? i + 1 : 0;
}

bool etag_is_valid(struct text tag)
{
    return tag.len > 0 && tag_len(tag) == tag.len;
}

bool etag_is_weak(struct text tag)
{
    return text_has_prefix(tag, TEXT("W/"));
}

bool etag_is_equal_strong(struct text a, struct text b)
{
    return !etag_is_weak(a) && etag_is_valid(a) && text_is_equal(a, b);
}

bool etag_is_equal_weak(struct text a, struct text b)
{
    struct text opaque_a = text_from_offset(a, etag_is_weak(a) ? 2 : 0);
    struct text opaque_b = text_from_offset(b, etag_is_weak(b) ? 2 : 0);

    return etag_is_valid(a) && etag_is_valid(b) && text_is_equal(opaque_a, opaque_b);
}

static struct text skip(struct text text, bool may_skip_commas)
{
    size_t i = 0;

    while (i < text.len &&
           (text.ptr[i] == ' ' || text.ptr[i] == '\t' || (may_skip_commas && text.ptr[i] == ',')))
        i++;
    return text_from_offset(text, i);
}

enum etag_read etag_list_next(struct text *rest, struct text *ret_tag)
{
    struct text from = skip(*rest, true), after;
    size_t len = tag_len(from);

    if (from.len == 0)
        return ETAG_END;
    after = skip(text_from_offset(from, len), false);
    if (len == 0 || (after.len > 0 && after.ptr[0] != ','))
        return ETAG_MALFORMED;
    *ret_tag = text_part(from, 0, len);
    *rest = after;
    return ETAG_READ;
}
