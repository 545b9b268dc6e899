// SPDX-License-Identifier: MIT
/* The list of RFC 9111 3, in its order, then what nginx's directives add; the first that speaks
 * against storing is the reason. Pure functions, any thread. */
#include "cache/storing.h"

/* Connection has one or two options in practice; head_strip_hop_fields() has the same bound. */
enum { CONNECTION_OPTIONS_MAX = 64 };

/* What one check looks at. */
struct candidate {
    const struct received       *received;
    const struct storing_policy *policy;
    const struct freshness      *freshness;
};

struct check {
    bool       (*speaks_against)(const struct candidate *candidate);
    enum storing reason;
};

static bool has_flag(const struct candidate *candidate, unsigned flag)
{
    return (candidate->freshness->control.flags & flag) != 0;
}

static unsigned status_of(const struct candidate *candidate)
{
    return candidate->received->answer->status;
}

static bool is_interim(const struct candidate *candidate)
{
    return status_of(candidate) < 200;
}

static bool is_partial(const struct candidate *candidate)
{
    return status_of(candidate) == 206 && !candidate->policy->may_be_partial;
}

static bool is_not_modified(const struct candidate *candidate)
{
    return status_of(candidate) == 304;
}

/* RFC 6585 3 to 6: never stored. An administrator who gives them a time has asked for it. */
static bool is_never_stored(const struct candidate *candidate)
{
    unsigned status = status_of(candidate);

    return (status == 428 || status == 429 || status == 431 || status == 511) &&
           candidate->policy->valid_s < 0;
}

/* The final codes of RFC 9110 15, whose demands on caches we meet. */
static bool is_understood(unsigned status)
{
    return (status >= 200 && status <= 205) || (status >= 300 && status <= 303) || status == 305 ||
           status == 307 || status == 308 || (status >= 400 && status <= 417) || status == 421 ||
           status == 422 || status == 426 || (status >= 500 && status <= 505);
}

static bool is_not_understood(const struct candidate *candidate)
{
    return has_flag(candidate, CACHE_CONTROL_MUST_UNDERSTAND) && !is_understood(status_of(candidate));
}

static bool does_request_forbid(const struct candidate *candidate)
{
    return !candidate->policy->is_ignoring_request &&
           (candidate->received->asked->flags & CACHE_CONTROL_NO_STORE);
}

/* RFC 9111 5.2.2.3: who understands the status ignores no-store beside must-understand. */
static bool is_no_store(const struct candidate *candidate)
{
    return has_flag(candidate, CACHE_CONTROL_NO_STORE) &&
           !has_flag(candidate, CACHE_CONTROL_MUST_UNDERSTAND);
}

static bool is_private(const struct candidate *candidate)
{
    return has_flag(candidate, CACHE_CONTROL_PRIVATE);
}

/* RFC 9111 3.5 */
static bool is_authorized_only(const struct candidate *candidate)
{
    return fields_find(&candidate->received->request->fields, FIELD_AUTHORIZATION) != NULL &&
           !has_flag(candidate, CACHE_CONTROL_PUBLIC | CACHE_CONTROL_MUST_REVALIDATE) &&
           candidate->freshness->control.s_maxage_s == CACHE_SECONDS_ABSENT;
}

/* RFC 9111 4.1: it would never match. */
static bool has_vary_star(const struct candidate *candidate)
{
    const struct fields *fields = &candidate->received->answer->fields;

    if (candidate->policy->ignored & STORING_IGNORES_VARY)
        return false;
    for (const struct field *field = fields_find(fields, FIELD_VARY); field != NULL;
         field = fields_find_next(fields, field)) {
        struct text rest = field->value, name;
        while (field_list_next(&rest, &name))
            if (text_is_equal(name, TEXT("*")))
                return true;
    }
    return false;
}

static bool is_among(struct text name, const struct cache_names *names)
{
    for (unsigned i = 0; i < names->count; i++)
        if (text_is_equal_nocase(names->items[i], name))
            return true;
    return false;
}

/* As nginx does by default; where the field itself is not stored, nothing is left that would be for one
 * client. */
static bool has_set_cookie(const struct candidate *candidate)
{
    const struct cache_control *control = &candidate->freshness->control;
    struct text                 name = field_name(FIELD_SET_COOKIE);

    return fields_find(&candidate->received->answer->fields, FIELD_SET_COOKIE) != NULL &&
           !(candidate->policy->ignored & STORING_IGNORES_SET_COOKIE) &&
           !is_among(name, &control->no_cache) && !is_among(name, &control->private);
}

static bool is_off(const struct candidate *candidate)
{
    return candidate->freshness->is_off;
}

/* Whether the answer itself says how long (RFC 9111 4.2.1). */
static bool is_explicit(const struct candidate *candidate)
{
    return candidate->freshness->source >= FRESHNESS_BY_EXPIRES;
}

/* A reference of the answer's, absolute or from the root, against the request's target. */
static bool is_target(struct text reference, const struct received *received)
{
    const struct head *request = received->request;

    if (!text_has_prefix(reference, TEXT("/"))) {
        size_t scheme = received->scheme.len, authority = request->authority.len;
        if (!text_is_equal_nocase(text_part(reference, 0, scheme), received->scheme) ||
            !text_is_equal(text_part(reference, scheme, 3), TEXT("://")) ||
            !text_is_equal_nocase(text_part(reference, scheme + 3, authority), request->authority))
            return false;
        reference = text_from_offset(reference, scheme + 3 + authority);
    }
    return text_is_equal(reference, request->path);
}

/* RFC 9110 9.3.3 */
static bool is_post_of_no_use(const struct candidate *candidate)
{
    const struct received *received = candidate->received;
    const struct field *location = fields_find(&received->answer->fields, FIELD_CONTENT_LOCATION);

    if (received->request->method != METHOD_POST ||
        candidate->policy->post == STORING_POST_AS_ASKED)
        return false;
    return status_of(candidate) != 200 || !is_explicit(candidate) || location == NULL ||
           fields_find_next(&received->answer->fields, location) != NULL ||
           !is_target(location->value, received);
}

static bool is_not_cacheable(const struct candidate *candidate)
{
    return !is_explicit(candidate) && !has_flag(candidate, CACHE_CONTROL_PUBLIC) &&
           candidate->policy->valid_s < 0 && !freshness_is_heuristic_status(status_of(candidate));
}

/* Stale from the first second, and neither a validator nor leave to be stale: the next request would
 * fetch it anew in any case. */
static bool is_useless(const struct candidate *candidate)
{
    const struct object_facts *facts = &candidate->freshness->facts;

    if (facts->flags & OBJECT_HAS_VALIDATOR)
        return false;
    if (facts->flags & OBJECT_NO_CACHE)
        return true;
    return facts->lifetime_s <= facts->initial_age_s && facts->stale_revalidate_s == 0 &&
           facts->stale_error_s == 0 &&
           (!candidate->policy->is_stale_useful || (facts->flags & OBJECT_MUST_REVALIDATE));
}

static const struct check checks[] = {
    { is_interim, STORING_INTERIM },
    { is_partial, STORING_PARTIAL },
    { is_not_modified, STORING_NOT_MODIFIED },
    { is_never_stored, STORING_STATUS },
    { is_not_understood, STORING_NOT_UNDERSTOOD },
    { is_no_store, STORING_NO_STORE },
    { is_private, STORING_PRIVATE },
    { does_request_forbid, STORING_REQUEST_NO_STORE },
    { is_authorized_only, STORING_AUTHORIZATION },
    { has_vary_star, STORING_VARY },
    { has_set_cookie, STORING_SET_COOKIE },
    { is_off, STORING_OFF },
    { is_post_of_no_use, STORING_POST },
    { is_not_cacheable, STORING_NOT_CACHEABLE },
    { is_useless, STORING_USELESS },
};

enum storing storing_decide(const struct received *received, const struct storing_policy *policy,
                            struct arena *arena, struct freshness *ret_freshness)
{
    struct candidate candidate = { .received = received, .policy = policy,
                                   .freshness = ret_freshness };

    *ret_freshness = freshness_of(received, policy, arena);
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        if (checks[i].speaks_against(&candidate))
            return checks[i].reason;
    return STORING_ALLOWED;
}

struct text storing_words(enum storing storing)
{
    static const char *const words[] = {
        [STORING_ALLOWED] = "stored",
        [STORING_INTERIM] = "an interim answer",
        [STORING_PARTIAL] = "partial content",
        [STORING_NOT_MODIFIED] = "a 304 is nothing by itself",
        [STORING_STATUS] = "a status that is never stored",
        [STORING_NOT_UNDERSTOOD] = "must-understand with an unknown status",
        [STORING_REQUEST_NO_STORE] = "the request says no-store",
        [STORING_NO_STORE] = "no-store",
        [STORING_PRIVATE] = "private",
        [STORING_AUTHORIZATION] = "the request has Authorization",
        [STORING_VARY] = "Vary: *",
        [STORING_SET_COOKIE] = "Set-Cookie",
        [STORING_OFF] = "a time of 0 by X-Accel-Expires or proxy_cache_valid",
        [STORING_POST] = "an answer to POST",
        [STORING_NOT_CACHEABLE] = "nothing says how long, and the status is not cacheable by itself",
        [STORING_USELESS] = "stale at once, without a validator",
    };

    must((size_t)storing < sizeof(words) / sizeof(words[0]));
    return text_from(words[storing]);
}

/* ---- which fields ---- */

static void remove_named(const struct cache_names *names, struct fields *fields)
{
    for (unsigned i = 0; i < names->count; i++)
        fields_remove_name(fields, names->items[i]);
}

/* What the framing of the message and its storing rest on cannot be named away. */
static void remove_options(struct fields *fields)
{
    unsigned count = 0;

    for (const struct field *field = fields_find(fields, FIELD_CONNECTION); field != NULL;
         field = fields_find_next(fields, field)) {
        struct text rest = field->value, option;
        while (field_list_next(&rest, &option) && count++ < CONNECTION_OPTIONS_MAX)
            if (!(field_flags(field_id_of(option)) & (FIELD_KEEP | FIELD_HOP)))
                fields_remove_name(fields, option);
    }
}

void storing_strip_fields(const struct cache_control *control, struct fields *fields)
{
    static const struct text of_proxies[] = {
        { "Proxy-Authenticate", 18 }, { "Proxy-Authentication-Info", 25 },
        { "Proxy-Authorization", 19 },
    };

    remove_options(fields);
    remove_named(&control->no_cache, fields);
    remove_named(&control->private, fields);
    for (size_t i = 0; i < sizeof(of_proxies) / sizeof(of_proxies[0]); i++)
        fields_remove_name(fields, of_proxies[i]);
    FIELDS_EACH(fields, field)
        if (field_flags((enum field_id)field->id) & FIELD_HOP)
            field->is_gone = true;
}
