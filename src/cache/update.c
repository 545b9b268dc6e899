// SPDX-License-Identifier: MIT
/* Which stored answer a newer head tells of, and what becomes of its fields. Names are compared one by
 * one: heads have some dozen fields, and at most as many as the limits of a head let in. Pure
 * functions, any thread. */
#include "cache/update.h"

#include "cache/storing.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/etag.h"

static bool has_validator(const struct validators *validators)
{
    return validators->etag.len > 0 || validators->has_last_modified;
}

/* All that the 304 says is so; Last-Modified is a weak one (RFC 9110 8.8.2.2). */
static bool weak_validators_agree(const struct validators *stored, const struct validators *said)
{
    if (said->etag.len > 0 && !etag_is_equal_weak(stored->etag, said->etag))
        return false;
    return !said->has_last_modified ||
           (stored->has_last_modified && stored->last_modified_s == said->last_modified_s);
}

bool update_is_selected(const struct fields *stored, const struct fields *not_modified,
                        bool is_named)
{
    struct validators kept, said;

    validators_of(stored, 0, &kept);
    validators_of(not_modified, 0, &said);
    if (said.etag.len > 0 && !etag_is_weak(said.etag))
        return etag_is_equal_strong(kept.etag, said.etag);
    if (has_validator(&said))
        return weak_validators_agree(&kept, &said);
    return is_named || !has_validator(&kept);
}

/* A field that the newer answer has is in the stored one with the same value. */
static bool is_same(const struct fields *stored, const struct fields *newer, enum field_id id)
{
    return fields_find(newer, id) == NULL ||
           (fields_find(stored, id) != NULL &&
            text_is_equal(fields_value(stored, id), fields_value(newer, id)));
}

bool update_head_matches(const struct fields *stored, uint64_t body_len, const struct head *answer)
{
    return is_same(stored, &answer->fields, FIELD_ETAG) &&
           is_same(stored, &answer->fields, FIELD_LAST_MODIFIED) &&
           (!answer->has_length || answer->length == body_len);
}

/* The bytes of the body stay, and so does what they are. A 304 with another coding than they have is
 * an origin's mistake (RFC 9111 3.2 lets a cache leave out what its stored answer depends upon). */
static bool is_left(const struct field *field, bool is_keeping_cookies)
{
    return field->id == FIELD_CONTENT_LENGTH || field->id == FIELD_CONTENT_RANGE ||
           field->id == FIELD_CONTENT_ENCODING ||
           (field->id == FIELD_SET_COOKIE && !is_keeping_cookies);
}

/* The newer fields that replace stored ones. */
static struct fields replacing(const struct fields *newer, int64_t received_s,
                               bool is_keeping_cookies, struct arena *arena)
{
    const struct cache_control nothing = cache_control_none();
    struct fields              fields;

    fields_init(&fields, arena, newer->count + 1);
    FIELDS_EACH(newer, field)
        *fields_push(&fields) = *field;
    storing_strip_fields(&nothing, &fields);
    FIELDS_EACH(&fields, field)
        field->is_gone = is_left(field, is_keeping_cookies);
    if (fields_find(&fields, FIELD_DATE) == NULL) {
        char *bytes = arena_bytes(arena, DATE_BYTES);
        date_write(received_s, bytes);
        fields_add_id(&fields, FIELD_DATE, text_of(bytes, DATE_BYTES));
    }
    return fields;
}

struct fields update_fields(const struct fields *stored, const struct fields *newer,
                            int64_t received_s, bool is_keeping_cookies, struct arena *arena)
{
    struct fields replacements = replacing(newer, received_s, is_keeping_cookies, arena), updated;

    fields_init(&updated, arena, stored->count + replacements.count);
    FIELDS_EACH(stored, field)
        if (field->id != FIELD_AGE && fields_find_name(&replacements, field->name) == NULL)
            *fields_push(&updated) = *field;
    FIELDS_EACH(&replacements, field)
        *fields_push(&updated) = *field;
    return updated;
}
