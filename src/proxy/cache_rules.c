// SPDX-License-Identifier: MIT
#include "proxy/cache_rules.h"

#include "cache/stored_head.h"
#include "cache/vary.h"
#include "http/cache_control.h"
#include "proxy/cache_key.h"

bool rules_may_look(const struct exchange *x)
{
    const struct fields *fields = &x->request->fields;

    return (x->location->proxy.cache.methods >> x->request->method & 1) &&
           fields_find(fields, FIELD_IF_MATCH) == NULL &&
           fields_find(fields, FIELD_IF_UNMODIFIED_SINCE) == NULL;
}

bool rules_may_store(const struct caching *caching)
{
    return rules_may_look(caching->x) && caching->x->request->body == BODY_NONE;
}

enum cache_use rules_judge(struct caching *caching)
{
    const struct object *object = caching->stored;
    int64_t age_s = object_age_s(object, loop_now_ms(caching->x->loop));

    if (age_s < (int64_t)object->facts.lifetime_s && !caching->is_purged)
        return USE_FRESH;
    if (age_s < (int64_t)object->facts.lifetime_s + object->facts.stale_revalidate_s)
        return USE_WHILE_RENEWING;
    return USE_AFTER_VALIDATION;
}

bool rules_is_only_if_cached(const struct caching *caching)
{
    (void)caching;
    return false;
}

bool rules_may_rescue(struct caching *caching, unsigned condition, unsigned status)
{
    (void)status;
    return caching->stored != NULL && (caching->policy->use_stale & condition);
}

struct object *rules_object(struct caching *caching, const struct head *response,
                            bool *ret_is_shared)
{
    struct exchange     *x = caching->x;
    struct cache_control said = cache_control_of_answer(&response->fields, x->arena);
    struct object_parts  parts = { .key = caching->key };
    struct text          vary;
    struct object       *object;

    *ret_is_shared = true;
    if (response->status != 200 || said.max_age_s <= 0)
        return NULL;
    parts.facts.lifetime_s = (uint32_t)said.max_age_s;
    parts.facts.stale_revalidate_s =
        said.stale_revalidate_s > 0 ? (uint32_t)said.stale_revalidate_s : 0;
    parts.facts.status = response->status;
    parts.facts.serial = caching->serial;
    parts.facts.flags = fields_find(&response->fields, FIELD_ETAG) ? OBJECT_HAS_VALIDATOR : 0;
    if (vary_spec(&response->fields, x->arena, &vary) == VARY_NEVER)
        return NULL;
    if (vary.len > 0) {
        parts.vary = vary;
        if (!vary_variant(vary, &x->request->fields, x->arena, &parts.variant))
            return NULL;
        parts.facts.flags |= OBJECT_IS_VARIED;
    }
    parts.head = stored_head_pack(x->arena, response->status, response->reason, &response->fields);
    object = object_try_new(&parts, 0);
    if (object != NULL)
        object->born_ms = loop_now_ms(x->loop);
    return object;
}

struct object *rules_refreshed(struct caching *caching, const struct head *response)
{
    (void)caching;
    (void)response;
    return NULL;
}

void rules_invalidate(struct exchange *x)
{
    (void)x;
}
