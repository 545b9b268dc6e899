// SPDX-License-Identifier: MIT
#include "http/slicing.h"

uint64_t slicing_start(const struct fields *request, uint64_t size)
{
    struct range_beginnings beginnings;

    if (fields_find(request, FIELD_IF_RANGE) != NULL || !range_beginnings(request, &beginnings) ||
        beginnings.count > 1 || beginnings.has_suffix || beginnings.last > INT64_MAX - size)
        return 0;
    return beginnings.last / size * size;
}

void slicing_write(struct writer *writer, struct range_part asked)
{
    writer_text(writer, TEXT("bytes="));
    writer_u64(writer, asked.first);
    writer_char(writer, '-');
    writer_u64(writer, asked.first + asked.len - 1);
}

bool slicing_read(struct text value, struct range_part *ret_asked)
{
    size_t   dash = text_find(value, '-');
    uint64_t first, last;

    if (!text_has_prefix(value, TEXT("bytes=")) ||
        text_to_u64(text_from_offset(text_part(value, 0, dash), 6), &first) < 0 ||
        text_to_u64(text_from_offset(value, dash + 1), &last) < 0 || last < first ||
        last > INT64_MAX)
        return false;
    *ret_asked = (struct range_part){ .first = first, .len = last - first + 1 };
    return true;
}

static uint64_t len_within(struct range_part asked, uint64_t length)
{
    return asked.len < length - asked.first ? asked.len : length - asked.first;
}

enum slicing_fit slicing_judge(const struct head *answer, struct range_part asked,
                               uint64_t *ret_length)
{
    struct text          value = fields_value(&answer->fields, FIELD_CONTENT_RANGE);
    struct content_range range;

    if (answer->status != 206)
        return SLICING_STATUS;
    if (value.ptr == NULL || content_range_parse(value, &range) < 0 || range.is_unsatisfied)
        return SLICING_INVALID;
    if (!range.has_length)
        return SLICING_LENGTH_UNKNOWN;
    if (range.part.first != asked.first || range.part.len != len_within(asked, range.length) ||
        (answer->body == BODY_SIZED && answer->length != range.part.len))
        return SLICING_UNEXPECTED;
    *ret_length = range.length;
    return SLICING_FITS;
}

bool slicing_is_one_version(const struct fields *first, const struct fields *other)
{
    struct text tag = fields_value(first, FIELD_ETAG), other_tag = fields_value(other, FIELD_ETAG);

    if (tag.len > 0 || other_tag.len > 0)
        return text_is_equal(tag, other_tag);
    return text_is_equal(fields_value(first, FIELD_LAST_MODIFIED),
                         fields_value(other, FIELD_LAST_MODIFIED));
}

const char *slicing_words(enum slicing_fit fit)
{
    static const char *const words[] = {
        [SLICING_FITS] = "a slice that fits",
        [SLICING_STATUS] = "unexpected status code in slice response",
        [SLICING_INVALID] = "invalid range in slice response",
        [SLICING_LENGTH_UNKNOWN] = "no complete length in slice response",
        [SLICING_UNEXPECTED] = "unexpected range in slice response",
        [SLICING_OTHER_LENGTH] = "length mismatch in slice response",
        [SLICING_OTHER_VERSION] = "etag mismatch in slice response",
    };

    return words[fit];
}
