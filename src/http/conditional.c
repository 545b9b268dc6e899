// SPDX-License-Identifier: MIT
/* Conditional requests. A condition that cannot be read never leads to a 304: the client then gets
 * the whole response, which is right for everybody. */
#include "http/conditional.h"

#include "http/date.h"
#include "http/etag.h"

/* ---- what a response says of itself ---- */

/* The value of a field that came exactly once. */
static bool single_value(const struct fields *fields, enum field_id id, struct text *ret_value)
{
    const struct field *field = fields_find(fields, id);

    if (field == NULL || fields_find_next(fields, field) != NULL)
        return false;
    *ret_value = text_trim(field->value);
    return true;
}

static bool single_date(const struct fields *fields, enum field_id id, int64_t now_s,
                        int64_t *ret_seconds)
{
    struct text value;

    return single_value(fields, id, &value) && date_parse(value, now_s, ret_seconds) == 0;
}

void validators_of(const struct fields *response, int64_t received_s,
                   struct validators *ret_validators)
{
    struct validators validators = { .etag = TEXT_NONE, .date_s = received_s };
    struct text etag;

    if (single_value(response, FIELD_ETAG, &etag) && etag_is_valid(etag))
        validators.etag = etag;
    validators.has_last_modified =
        single_date(response, FIELD_LAST_MODIFIED, received_s, &validators.last_modified_s);
    validators.has_date = single_date(response, FIELD_DATE, received_s, &validators.date_s);
    *ret_validators = validators;
}

bool validators_date_is_strong(const struct validators *validators)
{
    return validators->has_last_modified && validators->has_date &&
           validators->last_modified_s < validators->date_s;
}

/* ---- the conditions of a request ---- */

/* Reads one line of tags; false if it is malformed. */
static bool line_read(struct text line, struct text etag, bool *has_match)
{
    struct text tag;
    enum etag_read read;

    while ((read = etag_list_next(&line, &tag)) == ETAG_READ)
        *has_match = *has_match || etag_is_equal_weak(tag, etag);
    return read == ETAG_END;
}

/* RFC 9110 13.1.2: "*" stands alone, or tags are compared weakly. */
static bool none_match_names(const struct fields *request, struct text etag)
{
    bool has_match = false;
    struct text value;

    if (single_value(request, FIELD_IF_NONE_MATCH, &value) && text_is_equal(value, TEXT("*")))
        return true;
    for (const struct field *field = fields_find(request, FIELD_IF_NONE_MATCH); field != NULL;
         field = fields_find_next(request, field))
        if (!line_read(field->value, etag, &has_match))
            return false;
    return has_match;
}

/* RFC 9110 13.1.3; without Last-Modified the Date is taken (RFC 9111 4.3.2). */
static bool is_unmodified_since(const struct fields *request, const struct validators *stored,
                                int64_t now_s)
{
    int64_t since_s;
    int64_t version_s = stored->has_last_modified ? stored->last_modified_s : stored->date_s;

    return single_date(request, FIELD_IF_MODIFIED_SINCE, now_s, &since_s) && version_s <= since_s;
}

enum conditional_verdict conditional_judge(enum method method, const struct fields *request,
                                           unsigned status, const struct validators *stored,
                                           int64_t now_s)
{
    bool is_same;

    if ((method != METHOD_GET && method != METHOD_HEAD) ||
        fields_find(request, FIELD_IF_MATCH) != NULL ||
        fields_find(request, FIELD_IF_UNMODIFIED_SINCE) != NULL)
        return CONDITIONAL_FORWARD;
    if (status < 200 || status > 299)
        return CONDITIONAL_SEND;
    if (fields_find(request, FIELD_IF_NONE_MATCH) != NULL)
        is_same = none_match_names(request, stored->etag);
    else
        is_same = is_unmodified_since(request, stored, now_s);
    return is_same ? CONDITIONAL_NOT_MODIFIED : CONDITIONAL_SEND;
}

bool conditional_may_range(const struct fields *request, const struct validators *stored,
                           int64_t now_s)
{
    struct text value;
    int64_t seconds;

    if (fields_find(request, FIELD_IF_RANGE) == NULL)
        return true;
    if (!single_value(request, FIELD_IF_RANGE, &value))
        return false;
    if (etag_is_valid(value))
        return etag_is_equal_strong(value, stored->etag);
    return date_parse(value, now_s, &seconds) == 0 && validators_date_is_strong(stored) &&
           seconds == stored->last_modified_s;
}

/* ---- the 304 ---- */

bool conditional_is_in_304(const struct field *field, bool has_etag)
{
    static const struct text body_names[] = {
        { "Content-Language", 16 }, { "Content-Disposition", 19 }, { "Content-MD5", 11 },
        { "Content-Digest", 14 },   { "Repr-Digest", 11 },         { "Digest", 6 },
    };

    switch (field->id) {
    case FIELD_CONTENT_TYPE:
    case FIELD_CONTENT_LENGTH:
    case FIELD_CONTENT_ENCODING:
    case FIELD_CONTENT_RANGE:
        return false;
    case FIELD_LAST_MODIFIED:
        return !has_etag;
    case FIELD_OTHER:
        for (size_t i = 0; i < sizeof(body_names) / sizeof(body_names[0]); i++)
            if (text_is_equal_nocase(field->name, body_names[i]))
                return false;
        return true;
    default:
        return true;
    }
}
