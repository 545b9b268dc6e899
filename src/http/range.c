// SPDX-License-Identifier: MIT
/* Byte ranges. What can be asked for is bounded three times: by the ranges that are read, by the
 * parts that are left when neighbours are joined, and by their sum, so that no request of some bytes
 * makes an answer that is larger than the body. */
#include "http/range.h"

#include <errno.h>

enum spec_kind { SPEC_INVALID = 0, SPEC_UNSATISFIABLE, SPEC_PART };

/* ---- grammar ---- */

/* 1*DIGIT; what does not fit becomes the largest number, which lies behind every body. */
static bool read_position(struct text text, uint64_t *ret_number)
{
    int error = text_to_u64(text, ret_number);

    if (error == -ERANGE)
        *ret_number = UINT64_MAX;
    return error == 0 || error == -ERANGE;
}

/* "-5": the last five bytes, or all if there are fewer (RFC 9110 14.1.2). */
static enum spec_kind read_suffix(struct text digits, uint64_t length, struct range_part *ret_part)
{
    uint64_t len;

    if (!read_position(digits, &len))
        return SPEC_INVALID;
    if (len == 0)
        return SPEC_UNSATISFIABLE;
    /* All of an empty body is satisfiable, but no Content-Range can say so: 200 it is. */
    if (length == 0)
        return SPEC_INVALID;
    if (len > length)
        len = length;
    *ret_part = (struct range_part){ .first = length - len, .len = len };
    return SPEC_PART;
}

/* "0-99", "100-" or "-5". */
static enum spec_kind read_spec(struct text spec, uint64_t length, struct range_part *ret_part)
{
    size_t      dash = text_find(spec, '-');
    struct text from = text_part(spec, 0, dash), to = text_from_offset(spec, dash + 1);
    uint64_t    first, last = UINT64_MAX;

    if (dash == spec.len)
        return SPEC_INVALID;
    if (from.len == 0)
        return read_suffix(to, length, ret_part);
    if (!read_position(from, &first) || (to.len > 0 && !read_position(to, &last)) || last < first)
        return SPEC_INVALID;
    if (first >= length)
        return SPEC_UNSATISFIABLE;
    if (last >= length)
        last = length - 1;
    *ret_part = (struct range_part){ .first = first, .len = last - first + 1 };
    return SPEC_PART;
}

/* What stands behind "bytes=" in the one Range field. */
static bool range_set_text(const struct fields *request, struct text *ret_specs)
{
    const struct field *field = fields_find(request, FIELD_RANGE);

    if (field == NULL || fields_find_next(request, field) != NULL ||
        !text_has_prefix_nocase(field->value, TEXT("bytes=")))
        return false;
    *ret_specs = text_from_offset(field->value, 6);
    return true;
}

/* ---- the set ---- */

struct reading {
    struct range_part parts[RANGE_READ_MAX];
    unsigned          count;             /* parts */
    unsigned          read;              /* ranges, with those that cannot be satisfied */
    uint64_t          asked;             /* bytes, before joining */
};

static bool touches(struct range_part a, struct range_part b)
{
    return a.first <= b.first + b.len && b.first <= a.first + a.len;
}

static struct range_part joined(struct range_part a, struct range_part b)
{
    uint64_t end_a = a.first + a.len, end_b = b.first + b.len;
    uint64_t first = a.first < b.first ? a.first : b.first;

    return (struct range_part){ first, (end_a > end_b ? end_a : end_b) - first };
}

/* Adds a part; every one that it touches is drawn into it, and it stands where the first of them
 * stood. One pass will do: no two that are there touch, so what one brings along touches no other. */
static void add(struct reading *reading, struct range_part part)
{
    unsigned at = reading->count, kept = 0;

    for (unsigned i = 0; i < reading->count; i++) {
        if (!touches(reading->parts[i], part)) {
            reading->parts[kept++] = reading->parts[i];
            continue;
        }
        part = joined(reading->parts[i], part);
        at = kept < at ? kept : at;
    }
    at = at > kept ? kept : at;
    for (unsigned i = kept; i > at; i--)
        reading->parts[i] = reading->parts[i - 1];
    reading->parts[at] = part;
    reading->count = kept + 1;
}

/* False: the set is invalid, or more than we read. */
static bool read_set(struct text specs, uint64_t length, struct reading *reading)
{
    struct text       spec;
    struct range_part part;
    enum spec_kind    kind;

    while (field_list_next(&specs, &spec)) {
        kind = read_spec(spec, length, &part);
        if (kind == SPEC_INVALID || ++reading->read > RANGE_READ_MAX)
            return false;
        if (kind == SPEC_PART && part.len > length - reading->asked)
            return false;
        if (kind == SPEC_PART) {
            reading->asked += part.len;
            add(reading, part);
        }
    }
    return reading->read > 0 && reading->count <= RANGE_PARTS_MAX;
}

enum range_verdict range_judge(enum method method, const struct fields *request, uint64_t length,
                               struct range_set *ret_set)
{
    struct reading reading;
    struct text    specs;

    reading.count = reading.read = 0;
    reading.asked = 0;
    if (method != METHOD_GET || !range_set_text(request, &specs) ||
        !read_set(specs, length, &reading))
        return RANGE_IGNORED;
    if (reading.count == 0)
        return RANGE_UNSATISFIABLE;
    ret_set->count = reading.count;
    for (unsigned i = 0; i < reading.count; i++)
        ret_set->parts[i] = reading.parts[i];
    return RANGE_PARTS;
}

/* ---- beginnings ---- */

/* Behind every position that a range may name, so that each is satisfiable: where it begins tells. */
bool range_beginnings(const struct fields *request, struct range_beginnings *ret_beginnings)
{
    struct range_beginnings beginnings = { .count = 0 };
    struct range_part       part;
    struct text             specs, spec;

    if (!range_set_text(request, &specs))
        return false;
    while (field_list_next(&specs, &spec)) {
        enum spec_kind kind = read_spec(spec, UINT64_MAX, &part);

        if (kind == SPEC_INVALID || ++beginnings.count > RANGE_READ_MAX)
            return false;
        if (text_has_prefix(spec, TEXT("-")))
            beginnings.has_suffix = true;
        else if (kind == SPEC_UNSATISFIABLE)
            beginnings.last = UINT64_MAX;
        else if (part.first > beginnings.last)
            beginnings.last = part.first;
    }
    if (beginnings.count == 0)
        return false;
    *ret_beginnings = beginnings;
    return true;
}

/* ---- Content-Range ---- */

void range_write_content_range(struct writer *writer, struct range_part part, uint64_t length)
{
    writer_text(writer, TEXT("bytes "));
    writer_u64(writer, part.first);
    writer_char(writer, '-');
    writer_u64(writer, part.first + part.len - 1);
    writer_char(writer, '/');
    writer_u64(writer, length);
}

void range_write_unsatisfied(struct writer *writer, uint64_t length)
{
    writer_text(writer, TEXT("bytes */"));
    writer_u64(writer, length);
}

static bool read_number(struct text text, uint64_t *ret_number)
{
    return text_to_u64(text, ret_number) == 0 && *ret_number <= INT64_MAX;
}

static bool read_incl_range(struct text text, struct range_part *ret_part)
{
    size_t   dash = text_find(text, '-');
    uint64_t first, last;

    if (!read_number(text_part(text, 0, dash), &first) ||
        !read_number(text_from_offset(text, dash + 1), &last) || last < first)
        return false;
    *ret_part = (struct range_part){ .first = first, .len = last - first + 1 };
    return true;
}

int content_range_parse(struct text value, struct content_range *ret_range)
{
    struct content_range range = { .length = 0 };
    struct text          rest, part, whole;
    size_t               slash;

    if (!text_has_prefix_nocase(value, TEXT("bytes ")))
        return -EINVAL;
    rest = text_from_offset(value, 6);
    slash = text_find(rest, '/');
    part = text_part(rest, 0, slash);
    whole = text_from_offset(rest, slash + 1);
    range.has_length = read_number(whole, &range.length);
    range.is_unsatisfied = text_is_equal(part, TEXT("*"));
    if (!range.has_length && (range.is_unsatisfied || !text_is_equal(whole, TEXT("*"))))
        return -EINVAL;
    if (!range.is_unsatisfied && !read_incl_range(part, &range.part))
        return -EINVAL;
    if (range.has_length && range.part.first + range.part.len > range.length)
        return -EINVAL;
    *ret_range = range;
    return 0;
}
