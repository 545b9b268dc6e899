// SPDX-License-Identifier: MIT
/* What the client's answer says of the cache (RFC 9211), and what it does not (RFC 9213). */
#include "proxy/caching.h"

static bool is_answer_of_ours(const struct caching *caching)
{
    return (caching->fwd_status == 0 && !caching->has_rescued) || caching->is_collapsed;
}

static void set_ttl(const struct caching *caching, struct cache_status *status)
{
    const struct object *stored = caching->stored;

    if (stored == NULL)
        return;
    status->has_ttl = true;
    status->ttl_s =
        (int64_t)stored->facts.lifetime_s - object_age_s(stored, loop_now_ms(caching->x->loop));
}

static struct text key_of(const struct caching *caching)
{
    return caching->policy->status_field == CACHE_STATUS_WITH_KEY ? caching->key.text : TEXT_NONE;
}

static void add_status(struct caching *caching, struct head *answer)
{
    struct cache_status status = { .name = caching->policy->status_name,
                                   .key = key_of(caching) };

    if (is_answer_of_ours(caching)) {
        status.forward = CACHE_FORWARD_NONE;
        set_ttl(caching, &status);
    } else {
        status.forward = caching->fwd;
        status.forward_status = caching->fwd_status;
        status.is_stored = caching->is_stored;
        status.detail = caching->fwd_status == 0 ? TEXT("no answer") : caching->detail;
        status.collapse = caching->has_waited ? CACHE_NOT_COLLAPSED : CACHE_ALONE;
    }
    if (caching->has_rescued)
        set_ttl(caching, &status);
    if (caching->is_collapsed) {
        status.forward = caching->fwd;
        status.collapse = CACHE_COLLAPSED;
    }
    cache_status_append(&answer->fields, &status);
}

static bool is_named(const struct name_list *names, struct text name)
{
    for (; names != NULL; names = names->next)
        if (text_is_equal_nocase(names->name, name))
            return true;
    return false;
}

void caching_finish_head(struct exchange *x, struct head *answer)
{
    struct caching *caching = x->caching;

    if (caching->policy->is_hiding_targeted)
        FIELDS_EACH(&answer->fields, field)
            if (field->id == FIELD_OTHER && is_named(caching->policy->targeted, field->name))
                field->is_gone = true;
    if (caching->policy->status_field != CACHE_STATUS_OFF && answer->status != 101)
        add_status(caching, answer);
}
