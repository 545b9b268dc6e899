// SPDX-License-Identifier: MIT
/* Our own conditions, for an answer that is stored and may still be good. */
#include "cache/stored_head.h"
#include "proxy/caching.h"

/* ETag as it was sent, weak or strong: it is compared weakly (RFC 9110 13.1.2). */
void caching_add_conditions(struct exchange *x, struct head *head)
{
    struct caching *caching = x->caching;
    struct head     stored;
    struct text     etag, modified;

    caching->is_validating = false;
    if (caching->stored == NULL || !caching->policy->is_revalidating ||
        !(caching->stored->facts.flags & OBJECT_HAS_VALIDATOR) ||
        stored_head_unpack(object_head(caching->stored), x->arena, &stored) < 0)
        return;
    etag = fields_value(&stored.fields, FIELD_ETAG);
    modified = fields_value(&stored.fields, FIELD_LAST_MODIFIED);
    if (etag.len > 0)
        fields_set(&head->fields, FIELD_IF_NONE_MATCH, etag);
    if (modified.len > 0)
        fields_set(&head->fields, FIELD_IF_MODIFIED_SINCE, modified);
    caching->is_validating = etag.len > 0 || modified.len > 0;
}
