// SPDX-License-Identifier: MIT
#include "proxy/cache_rules.h"

#include <string.h>

#include "cache/groups.h"
#include "cache/stored_head.h"
#include "cache/storing.h"
#include "cache/update.h"
#include "cache/vary.h"
#include "http/status.h"
#include "http/date.h"
#include "http/range.h"
#include "http/uri.h"
#include "proxy/cache_key.h"
#include "proxy/slices.h"

enum { HEURISTIC_PERCENT = 10, HEURISTIC_MOST_S = 24 * 60 * 60 };

/* ---- requests ---- */

bool rules_is_cached_method(const struct exchange *x)
{
    return x->location->proxy.cache.methods >> x->request->method & 1;
}

/* A body that is not part of the key makes an answer for this client, and what others get may not be for it. */
static bool has_odd_body(const struct exchange *x)
{
    return x->request->body != BODY_NONE && x->request->method != METHOD_POST;
}

/* Who wants a WebSocket has no use for a page that is stored under its URL. */
static bool wants_web_socket(const struct exchange *x)
{
    return text_is_equal_nocase(x->request->upgrade, TEXT("websocket"));
}

bool rules_may_look(const struct exchange *x)
{
    const struct fields *fields = &x->request->fields;

    /* If-Match and its like are the origin's to judge (RFC 9111 4.3.2). */
    return rules_is_cached_method(x) && !has_odd_body(x) && !wants_web_socket(x) &&
           fields_find(fields, FIELD_IF_MATCH) == NULL &&
           fields_find(fields, FIELD_IF_UNMODIFIED_SINCE) == NULL;
}

/* proxy_cache_max_range_offset: the whole would have to come first, up to there. Where a suffix begins
 * nobody knows yet. */
static bool begins_too_far(const struct caching *caching)
{
    const struct head      *request = caching->x->request;
    struct range_beginnings beginnings;

    return caching->policy->max_range_offset != UINT64_MAX && request->method == METHOD_GET &&
           range_beginnings(&request->fields, &beginnings) &&
           (beginnings.has_suffix || beginnings.last > caching->policy->max_range_offset);
}

bool rules_may_store(const struct caching *caching)
{
    const struct exchange *x = caching->x;

    return rules_may_look(x) && !begins_too_far(caching) && x->request->upgrade.len == 0 &&
           (x->request->method != METHOD_HEAD || caching->policy->is_converting_head) &&
           !(caching->asked.flags & CACHE_CONTROL_NO_STORE);
}

bool rules_may_serve_gets(const struct caching *caching, const struct head *answer)
{
    struct exchange *x = caching->x;

    return x->request->method == METHOD_POST && !rules_is_cached_method(x) &&
           fields_find(&answer->fields, FIELD_CONTENT_LOCATION) != NULL &&
           !template_is_any_true(caching->policy->no_cache, &x->scope);
}

bool rules_is_only_if_cached(const struct caching *caching)
{
    return caching->asked.flags & CACHE_CONTROL_ONLY_IF_CACHED;
}

/* ---- what is stored ---- */

enum {
    ERRORS = NEXT_ERROR | NEXT_TIMEOUT | NEXT_INVALID_HEADER | NEXT_500 | NEXT_502 | NEXT_503 |
                NEXT_504 | NEXT_403 | NEXT_404 | NEXT_429,
       /* RFC 5861 4: an error is any situation that would result in one of these. */
    STALE_IF_ERRORS =
        NEXT_ERROR | NEXT_TIMEOUT | NEXT_INVALID_HEADER | NEXT_500 | NEXT_502 | NEXT_503 | NEXT_504
};

static struct judgement judgement_of(const struct caching *caching)
{
    const struct cache_policy *policy = caching->policy;
    const struct stale_policy  stale = {
        .most_s = policy->stale_most_s,
        .is_on_error = policy->use_stale & ERRORS,
        .is_while_updating = policy->use_stale & STALE_UPDATING,
    };

    return freshness_judge(
        &caching->stored->facts, object_age_s(caching->stored, loop_now_ms(caching->x->loop)),
        caching->is_purged, policy->is_ignoring_request ? NULL : &caching->asked, &stale);
}

enum cache_use rules_judge(struct caching *caching)
{
    struct judgement judgement = judgement_of(caching);

    caching->fwd = CACHE_FORWARD_STALE;
    switch (judgement.judged) {
    case JUDGED_FRESH:
        return USE_FRESH;
    case JUDGED_STALE_ACCEPTED:
        return USE_STALE;
    case JUDGED_STALE_REVALIDATING:
        return USE_WHILE_RENEWING;
    case JUDGED_STALE_UPDATING:
        return caching->policy->is_background_update ? USE_WHILE_RENEWING : USE_WHILE_OTHERS_RENEW;
    case JUDGED_STALE_ON_ERROR:
    case JUDGED_VALIDATE:
    case JUDGED_UNUSABLE:
        break;
    }
    if (judgement.is_fresh)
        caching->fwd = CACHE_FORWARD_REQUEST;
    return USE_AFTER_VALIDATION;
}

bool rules_may_rescue(struct caching *caching, unsigned condition)
{
    struct judgement judgement;

    if (caching->stored == NULL)
        return false;
    judgement = judgement_of(caching);
    return (judgement.is_for_errors && (condition & STALE_IF_ERRORS)) ||
           (judgement.is_for_named_errors && (condition & caching->policy->use_stale));
}

/* ---- answers ---- */

/* The first that fits, be it `any`, as in nginx. */
static int64_t valid_s(const struct cache_policy *policy, unsigned status)
{
    for (const struct cache_valid *valid = policy->valid; valid != NULL; valid = valid->next)
        if (valid->status == 0 || valid->status == status)
            return valid->seconds;
    return -1;
}

static unsigned ignored_of(unsigned ignore_headers)
{
    return (ignore_headers & IGNORE_ACCEL_EXPIRES ? STORING_IGNORES_ACCEL_EXPIRES : 0) |
           (ignore_headers & IGNORE_EXPIRES ? STORING_IGNORES_EXPIRES : 0) |
           (ignore_headers & IGNORE_CACHE_CONTROL ? STORING_IGNORES_CACHE_CONTROL : 0) |
           (ignore_headers & IGNORE_SET_COOKIE ? STORING_IGNORES_SET_COOKIE : 0) |
           (ignore_headers & IGNORE_VARY ? STORING_IGNORES_VARY : 0);
}

static struct storing_policy policy_of(const struct caching *caching, unsigned status)
{
    const struct proxy_policy *proxy = &caching->x->location->proxy;

    return (struct storing_policy){
        .ignored = ignored_of(proxy->ignore_headers),
        .valid_s = valid_s(caching->policy, status),
        .heuristic_percent = HEURISTIC_PERCENT,
        .heuristic_max_s = HEURISTIC_MOST_S,
        .post = caching->policy->methods >> METHOD_POST & 1 ? STORING_POST_AS_ASKED
                                                            : STORING_POST_AT_LOCATION,
        .is_ignoring_request = caching->policy->is_ignoring_request,
        .may_be_partial = caching->x->slice_range.len > 0,
        .is_stale_useful = caching->policy->use_stale & (ERRORS | STALE_UPDATING),
    };
}

static const struct cache_control *targeted_of(const struct caching *caching,
                                               const struct head *answer)
{
    struct cache_control *targeted = ARENA_NEW(caching->x->arena, struct cache_control);

    for (const struct name_list *name = caching->policy->targeted; name != NULL; name = name->next)
        if (cache_control_of_targeted(&answer->fields, name->name, caching->x->arena, targeted))
            return targeted;
    return NULL;
}

static struct received received_of(const struct caching *caching, const struct head *answer)
{
    return (struct received){ .request = caching->x->request,
                              .answer = answer,
                              .asked = &caching->asked,
                              .targeted = targeted_of(caching, answer),
                              .scheme = exchange_scheme(caching->x),
                              .request_ms = caching->asked_ms,
                              .response_ms = loop_wall_ms(caching->x->loop) };
}

/* ---- labels ---- */

struct labels {
    uint64_t hashes[OBJECT_LABELS_MOST];
    uint32_t count;
};

static void add_label(const struct caching *caching, struct labels *labels, enum cache_label kind,
                      struct text text)
{
    must(labels->count < OBJECT_LABELS_MOST);
    labels->hashes[labels->count++] = cache_label(caching->cache, kind, text);
}

/* A group is one of its origin (RFC 9875 2.1). */
static struct text group_label(const struct caching *caching, struct text group)
{
    return arena_format(caching->x->arena, "%.*s %.*s", TEXT_ARGS(cache_key_origin(caching->x)),
                        TEXT_ARGS(group));
}

/* NULL: there are more than can be kept, and a purge by one of the rest would miss the object. */
static struct labels *labels_of(const struct caching *caching, const struct fields *fields)
{
    struct arena  *arena = caching->x->arena;
    struct labels *labels = ARENA_NEW(arena, struct labels);
    struct groups *groups = ARENA_NEW(arena, struct groups);

    _Static_assert(2 + 2 * GROUPS_MAX <= OBJECT_LABELS_MOST, "key, host, groups and tags");

    add_label(caching, labels, LABEL_KEY, caching->key.text);
    add_label(caching, labels, LABEL_HOST, caching->x->host);
    groups_of(fields, arena, groups);
    if (groups->is_cut)
        return NULL;
    for (unsigned i = 0; i < groups->count; i++)
        add_label(caching, labels, LABEL_GROUP, group_label(caching, groups->names[i]));
    if (caching->policy->tag_field.len == 0)
        return labels;
    groups_tags(fields, caching->policy->tag_field, groups);
    for (unsigned i = 0; i < groups->count; i++)
        add_label(caching, labels, LABEL_TAG, groups->names[i]);
    return groups->is_cut ? NULL : labels;
}

/* ---- objects ---- */

/* What goes into the cache of these fields; a Date that is missing is added (RFC 9110 6.6.1). */
static struct text packed(const struct caching *caching, const struct head *answer,
                          const struct fields *fields, const struct object_facts *facts)
{
    char date[DATE_BYTES];

    if (fields_find(fields, FIELD_DATE) == NULL) {
        date_write(facts->date_s, date);
        fields_add_id((struct fields *)fields, FIELD_DATE,
                      arena_copy(caching->x->arena, text_of(date, sizeof(date))));
    }
    return stored_head_pack(caching->x->arena, answer->status, answer->reason, fields);
}

static bool set_variant(const struct caching *caching, const struct fields *fields,
                        struct object_parts *parts)
{
    struct exchange *x = caching->x;

    if ((x->location->proxy.ignore_headers & IGNORE_VARY) ||
        vary_spec(fields, x->arena, &parts->vary) == VARY_NOTHING)
        return true;
    parts->facts.flags |= OBJECT_IS_VARIED;
    return parts->vary.ptr != NULL &&
           vary_variant(parts->vary, &x->request->fields, x->arena, &parts->variant);
}

static struct fields *copy_of(struct arena *arena, const struct fields *fields)
{
    struct fields *copy = ARENA_NEW(arena, struct fields);

    fields_init(copy, arena, fields->count + 1);
    FIELDS_EACH(fields, field)
        *fields_push(copy) = *field;
    return copy;
}

/* Facts with which nobody else may have it without asking the origin. */
static bool is_shared_at_once(const struct object_facts *facts)
{
    return !(facts->flags & OBJECT_NO_CACHE) && facts->lifetime_s > facts->initial_age_s;
}

static struct object *refused(struct caching *caching, struct text why)
{
    caching->detail = why;
    return NULL;
}

static struct object *object_of(struct caching *caching, const struct head *answer,
                                struct fields *fields, const struct freshness *freshness,
                                uint64_t body_len)
{
    struct object_parts parts = { .facts = freshness->facts, .key = caching->key };
    struct labels      *labels = labels_of(caching, fields);
    struct object      *object;

    if (labels == NULL)
        return refused(caching, TEXT("more tags or groups, or longer ones, than can be kept"));
    parts.facts.serial = caching->serial;
    storing_strip_fields(&freshness->control, fields);
    if (!set_variant(caching, fields, &parts))
        return refused(caching, storing_words(STORING_VARY));
    parts.head = packed(caching, answer, fields, &parts.facts);
    parts.labels = labels->hashes;
    parts.label_count = labels->count;
    object = parts.head.ptr == NULL ? NULL : object_try_new(&parts, body_len);
    if (object != NULL)
        object->born_ms = loop_now_ms(caching->x->loop);
    else
        caching->detail = TEXT("too large a head, or no memory");
    return object;
}

/* As in nginx: what is to be passed on as it comes, such as a stream of events, is for whoever asked. */
static bool is_buffered(const struct caching *caching, const struct head *answer)
{
    const struct proxy_policy *proxy = &caching->x->location->proxy;
    struct text                said = proxy->ignore_headers & IGNORE_ACCEL_BUFFERING
                                          ? TEXT_NONE
                                          : fields_value(&answer->fields, FIELD_X_ACCEL_BUFFERING);

    if (text_is_equal_nocase(said, TEXT("no")))
        return false;
    return proxy->is_buffering || text_is_equal_nocase(said, TEXT("yes"));
}

struct object *rules_object(struct caching *caching, const struct head *answer, bool *ret_is_shared)
{
    struct arena         *arena = caching->x->arena;
    struct received       received = received_of(caching, answer);
    struct storing_policy policy = policy_of(caching, answer->status);
    struct freshness      freshness;
    enum storing          storing = storing_decide(&received, &policy, arena, &freshness);

    if (storing == STORING_ALLOWED && answer->status == 206 && !slices_may_keep(caching->x, answer))
        storing = STORING_PARTIAL;
    if (storing != STORING_ALLOWED)
        return refused(caching, storing_words(storing));
    if (!is_buffered(caching, answer))
        return refused(caching, TEXT("not buffered"));
    cache_key_learn(caching, &answer->fields);
    *ret_is_shared = is_shared_at_once(&freshness.facts);
    return object_of(caching, answer, copy_of(arena, &answer->fields), &freshness, 0);
}

/* ---- what is stored, anew ---- */

/* The body of one that is stored, for another object. */
static bool share_body(struct object *object, struct object *stored)
{
    if (stored->large != NULL)
        object_set_large(object, stored->large, stored->body_len);
    else if (object_is_inline(stored))
        memcpy(object_inline_body(object), object_inline_body(stored), stored->body_len);
    else
        return object_try_set_body(object, stored->body, stored->slice_count, stored->body_len);
    return true;
}

/* The stored answer with the fields of a newer one of the same body; NULL: no memory. */
static struct object *renew(struct caching *caching, const struct fields *stored_fields,
                            const struct head *newer, bool *ret_may_keep)
{
    struct object         *stored = caching->stored, *object;
    struct arena          *arena = caching->x->arena;
    struct storing_policy  policy = policy_of(caching, stored->facts.status);
    struct head            answer = *newer;
    struct received        received;
    struct freshness       freshness;

    answer.status = stored->facts.status;
    answer.reason = status_reason(answer.status);
    answer.fields =
        update_fields(stored_fields, &newer->fields, loop_wall_ms(caching->x->loop) / 1000,
                                  policy.ignored & STORING_IGNORES_SET_COOKIE, arena);
    received = received_of(caching, &answer);
    *ret_may_keep = storing_decide(&received, &policy, arena, &freshness) == STORING_ALLOWED;
    object = object_of(caching, &answer, &answer.fields, &freshness,
                       object_is_inline(stored) ? stored->body_len : 0);
    if (object == NULL || share_body(object, stored))
        return object;
    object_unref(object);
    return NULL;
}

static bool stored_fields(struct caching *caching, struct head *ret_head)
{
    return stored_head_unpack(object_head(caching->stored), caching->x->arena, ret_head) == 0;
}

struct object *rules_refreshed(struct caching *caching, const struct head *answer,
                               bool *ret_may_keep)
{
    struct head stored;

    if (!stored_fields(caching, &stored) ||
        !update_is_selected(&stored.fields, &answer->fields, true))
        return NULL;
    return renew(caching, &stored.fields, answer, ret_may_keep);
}

/* ---- requests that were not for the cache ---- */

static void purge_key(struct caching *caching, bool is_soft)
{
    struct cache_purge purge = { .kind = PURGE_LABEL,
                                 .is_soft = is_soft,
                                 .label = cache_label(caching->cache, LABEL_KEY,
                                                      caching->key.text) };

    (void)cache_purge(caching->cache, &purge, NULL, NULL);
}

void rules_forget(struct caching *caching)
{
    purge_key(caching, false);
}

static void invalidate(struct caching *caching, enum cache_label kind, struct text text)
{
    struct cache_purge purge = { .kind = PURGE_LABEL,
                                 .label = cache_label(caching->cache, kind, text) };

    (void)cache_purge(caching->cache, &purge, NULL, NULL);
}

/* What is nowhere needs no purge: else a site that mostly writes would fill the book, and the disk. */
static void invalidate_key(struct caching *caching, struct text text)
{
    struct cache_key key = cache_key(caching->cache, text);

    if (cache_may_hold(caching->cache, &key))
        invalidate(caching, LABEL_KEY, text);
}

/* A Location of the same origin, as the key of a GET for it (RFC 9111 4.4). */
static void invalidate_location(struct caching *caching, struct text location)
{
    struct exchange *x = caching->x;
    struct text      target = location.len == 0 ? TEXT_NONE : cache_key_target(x, location);

    if (target.ptr != NULL)
        invalidate_key(caching, cache_key_text_of(x, target));
}

static void invalidate_groups(struct caching *caching, const struct fields *fields)
{
    struct groups *groups = ARENA_NEW(caching->x->arena, struct groups);

    groups_ended_by(caching->x->request->method, fields, caching->x->arena, groups);
    for (unsigned i = 0; i < groups->count; i++)
        invalidate(caching, LABEL_GROUP, group_label(caching, groups->names[i]));
}

/* A member that is invalidated takes its groups with it (RFC 9875 2.2), as far as memory knows them. */
static void invalidate_groups_of_stored(struct caching *caching)
{
    struct groups *groups = ARENA_NEW(caching->x->arena, struct groups);
    struct object *object;
    struct head    head;

    if (cache_variants(caching->cache, &caching->key, &object, 1) == 0)
        return;
    if (stored_head_unpack(object_head(object), caching->x->arena, &head) == 0)
        groups_of(&head.fields, caching->x->arena, groups);
    for (unsigned i = 0; i < groups->count; i++)
        invalidate(caching, LABEL_GROUP, group_label(caching, groups->names[i]));
    object_unref(object);
}

/* RFC 9111 4.3.5: HEAD tells what a GET would have got. */
static void learn_from_head(struct caching *caching, const struct head *answer)
{
    struct head    stored;
    struct object *object = NULL;
    bool           may_keep = false;

    if (caching->stored == NULL || answer->status != 200 || !stored_fields(caching, &stored))
        return;
    if (update_head_matches(&stored.fields, caching->stored->body_len, answer))
        object = renew(caching, &stored.fields, answer, &may_keep);
    if (may_keep && object != NULL)
        (void)cache_store(caching->cache, object);
    else
        purge_key(caching, true);
    if (object != NULL)
        object_unref(object);
}

void rules_learn(struct caching *caching, const struct head *answer)
{
    if (caching->x->request->method == METHOD_HEAD)
        learn_from_head(caching, answer);
    if (method_is_safe(caching->x->request->method) || answer->status < 200 ||
        answer->status >= 400)
        return;
    invalidate_groups_of_stored(caching);
    invalidate_key(caching, caching->key.text);
    invalidate_location(caching, fields_value(&answer->fields, FIELD_LOCATION));
    invalidate_location(caching, fields_value(&answer->fields, FIELD_CONTENT_LOCATION));
    invalidate_groups(caching, &answer->fields);
}
