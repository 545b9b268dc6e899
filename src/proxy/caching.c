// SPDX-License-Identifier: MIT
/* Life of an exchange's part in a cache. */
#include "proxy/caching.h"

#include "cache/storing.h"
#include "proxy/cache_key.h"
#include "proxy/cache_rules.h"
#include "proxy/purging.h"
#include "proxy/steps.h"

/* ---- begin and end ---- */

static const struct cache_zone *zone_of(struct exchange *x)
{
    const struct cache_policy *policy = &x->location->proxy.cache;
    struct text                name;

    if (policy->zone_name == NULL)
        return policy->zone;
    name = template_eval(policy->zone_name, &x->scope);
    for (const struct cache_zone *zone = x->snapshot->site->cache_zones; zone != NULL;
         zone = zone->next)
        if (text_is_equal(zone->name, name))
            return zone;
    if (name.len > 0 && !text_is_equal(name, TEXT("off")))
        exchange_log(x, LOG_ERROR, "cache \"%.*s\" not found", TEXT_ARGS(name));
    return NULL;
}

bool caching_is_on(const struct exchange *x)
{
    const struct cache_policy *policy = &x->location->proxy.cache;

    return policy->zone != NULL || policy->zone_name != NULL;
}

/* Also why not, where `fwd` does not tell. */
static bool may_store(struct caching *caching)
{
    if (caching->asked.flags & CACHE_CONTROL_NO_STORE)
        caching->detail = storing_words(STORING_REQUEST_NO_STORE);
    if (!rules_may_store(caching) || caching->x->has_missed_body)
        return false;
    if (!template_is_any_true(caching->policy->no_cache, &caching->x->scope))
        return true;
    caching->detail = TEXT("proxy_no_cache");
    return false;
}

struct caching *caching_begin(struct exchange *x)
{
    const struct cache_zone *zone = zone_of(x);
    struct caching          *caching;

    if (zone == NULL || zone->cache == NULL)
        return NULL;
    caching = ARENA_NEW(x->arena, struct caching);
    caching->x = x;
    caching->policy = &x->location->proxy.cache;
    caching->cache = zone->cache;
    x->caching = caching;
    cache_key_set(caching);
    caching->asked = caching->policy->is_ignoring_request
                         ? cache_control_none()
                         : cache_control_of_request(&x->request->fields, x->arena);
    caching->fwd = CACHE_FORWARD_URI_MISS;
    caching->is_bypass =
        !rules_may_look(x) || template_is_any_true(caching->policy->bypass, &x->scope);
    if (x->has_missed_body)              /* in the key: other bodies would have the same */
        caching->is_bypass = true;
    caching->may_store = may_store(caching);
    caching->is_head_as_get = x->request->method == METHOD_HEAD && caching->may_store;
    if (!caching->is_bypass)
        return caching;
    caching->fwd = CACHE_FORWARD_METHOD;
    if (rules_is_cached_method(x)) {
        caching->fwd = CACHE_FORWARD_BYPASS;
        x->cache_outcome = CACHE_BYPASS;
    }
    return caching;
}

void caching_end(struct exchange *x)
{
    struct caching *caching = x->caching;

    if (caching == NULL)
        return;
    x->caching = NULL;
    reader_done(&caching->reader);
    purging_leave(&caching->purging);
    if (caching->read != NULL)
        disk_read_leave(&caching->read);
    if (caching->follower != NULL)
        fill_leave(caching->fill, &caching->follower);
    if (caching->fill != NULL && caching->role == ROLE_LEADER)
        fill_give_up(caching->fill, FILL_FAILED, x->status, 0);
    if (caching->fill != NULL)
        fill_unref(caching->fill);
    if (caching->stored != NULL)
        object_unref(caching->stored);
    cache_arrived(caching->cache, &caching->arrival);
    pipe_done(&caching->peer_body);
}

/* ---- what others ask ---- */

bool caching_outlives_client(const struct exchange *x)
{
    return caching_wants_whole(x) && !x->is_unattended && !x->caching->is_bypass &&
           x->request_body.is_ended;
}

void caching_client_left(struct exchange *x)
{
    reader_done(&x->caching->reader);
    exchange_leave_client(x);
}

static void lead_no_more(struct caching *caching, enum fill_state state, unsigned status)
{
    if (caching->fill == NULL || caching->role != ROLE_LEADER)
        return;
    fill_give_up(caching->fill, state, status, loop_now_ms(caching->x->loop) + CACHING_PRIVATE_MS);
    fill_unref(caching->fill);
    caching->fill = NULL;
    caching->role = ROLE_NONE;
}

void caching_share_nothing(struct exchange *x)
{
    if (x->caching != NULL)
        lead_no_more(x->caching, FILL_PRIVATE, 0);
}

void caching_no_answer(struct exchange *x)
{
    if (x->caching != NULL)
        lead_no_more(x->caching, FILL_FAILED, x->status);
}

bool caching_rescues(struct exchange *x, unsigned condition, unsigned status)
{
    struct caching *caching = x->caching;

    if (caching == NULL || condition == 0 || x->is_head_sent ||
        !rules_may_rescue(caching, condition))
        return false;
    if (x->peer != NULL || x->chosen != NULL || x->connector.state != CONNECTOR_NONE)
        forward_done(x, false, false);
    lead_no_more(caching, FILL_FAILED, status);
    caching->role = ROLE_NONE;
    cache_arrived(caching->cache, &caching->arrival);
    caching->has_rescued = true;
    x->fault = FAULT_NONE;
    x->cache_outcome = CACHE_STALE;
    x->is_client_gone = x->is_unattended;
    exchange_go(x, x->is_unattended ? &step_finish : &step_serve);
    return true;
}
