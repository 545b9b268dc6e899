// SPDX-License-Identifier: MIT
/* Freshness lifetime and age of an answer that has come (RFC 9111 4.2.1 to 4.2.3). Whoever is nearest
 * to us is asked first: X-Accel-Expires is meant for the proxy in front of the application, a targeted
 * field for caches like us, s-maxage for shared caches, max-age and Expires for all. Then the
 * administrator's proxy_cache_valid, then the heuristic. Pure functions, any thread. */
#include "cache/freshness.h"

#include <errno.h>

#include "http/conditional.h"
#include "http/date.h"

enum { MS_PER_S = 1000 };

/* X-Accel-Expires, read. */
enum accel_kind { ACCEL_SILENT = 0, ACCEL_NEVER, ACCEL_UNTIL };
struct accel {
    enum accel_kind kind;
    int64_t         until_s;             /* since 1970 */
};

/* What freshness_of() goes through. */
struct reckoning {
    const struct received       *received;
    const struct storing_policy *policy;
    struct freshness            *freshness;
    struct validators            validators;
    int64_t                      response_s;
};

static int64_t within(int64_t seconds)
{
    if (seconds < 0)
        return 0;
    return seconds < CACHE_SECONDS_MAX ? seconds : CACHE_SECONDS_MAX;
}

/* ---- age ---- */

/* RFC 9111 5.1: the first member counts; one that is no number is nothing. */
static int64_t age_value(const struct fields *fields)
{
    for (const struct field *field = fields_find(fields, FIELD_AGE); field != NULL;
         field = fields_find_next(fields, field)) {
        struct text rest = field->value, first;
        if (field_list_next(&rest, &first))
            return within(cache_control_seconds(first));
    }
    return 0;
}

/* corrected_initial_age (RFC 9111 4.2.3), the more cautious of the two. */
static int64_t initial_age(const struct reckoning *reckoning)
{
    const struct received *received = reckoning->received;
    int64_t apparent_s = within(reckoning->response_s - reckoning->validators.date_s);
    int64_t delay_s = within((received->response_ms - received->request_ms) / MS_PER_S);
    int64_t corrected_s = within(age_value(&received->answer->fields) + delay_s);

    return apparent_s > corrected_s ? apparent_s : corrected_s;
}

int64_t freshness_age_s(const struct object_facts *facts, int64_t resident_s)
{
    return within((int64_t)facts->initial_age_s + within(resident_s));
}

/* ---- lifetime ---- */

/* "off" and what makes no sense are nothing, as in nginx. */
static struct accel accel_of(const struct reckoning *reckoning)
{
    struct text value = fields_value(&reckoning->received->answer->fields, FIELD_X_ACCEL_EXPIRES);
    bool        is_until = text_has_prefix(value, TEXT("@"));
    uint64_t    seconds = 0;
    int         error = text_to_u64(text_from_offset(value, is_until ? 1 : 0), &seconds);

    if ((reckoning->policy->ignored & STORING_IGNORES_ACCEL_EXPIRES) || error == -EINVAL)
        return (struct accel){ .kind = ACCEL_SILENT };
    if (error < 0 || seconds > INT64_MAX / 2)
        seconds = INT64_MAX / 2;
    if (!is_until && seconds == 0)
        return (struct accel){ .kind = ACCEL_NEVER };
    return (struct accel){ .kind = ACCEL_UNTIL,
                           .until_s = (int64_t)seconds + (is_until ? 0 : reckoning->response_s) };
}

/* The earliest of all Expires lines, against Date (RFC 9111 4.2.1); a value that is no date is in the
 * past (5.3). */
static bool expires_lifetime(const struct reckoning *reckoning, int64_t *ret_s)
{
    const struct fields *fields = &reckoning->received->answer->fields;
    const struct field  *field = fields_find(fields, FIELD_EXPIRES);
    int64_t              least_s = CACHE_SECONDS_MAX;

    if (field == NULL || reckoning->received->targeted != NULL ||
        (reckoning->policy->ignored & STORING_IGNORES_EXPIRES))
        return false;
    for (; field != NULL; field = fields_find_next(fields, field)) {
        int64_t expires_s = 0, lifetime_s = 0;
        if (date_parse(field->value, reckoning->response_s, &expires_s) == 0)
            lifetime_s = within(expires_s - reckoning->validators.date_s);
        least_s = lifetime_s < least_s ? lifetime_s : least_s;
    }
    *ret_s = least_s;
    return true;
}

bool freshness_is_heuristic_status(unsigned status)
{
    switch (status) {
    case 200: case 203: case 204: case 206: case 300: case 301: case 308:
    case 404: case 405: case 410: case 414: case 501:
        return true;
    default:
        return false;
    }
}

/* RFC 9111 4.2.2 */
static bool heuristic_lifetime(const struct reckoning *reckoning, int64_t *ret_s)
{
    const struct validators *validators = &reckoning->validators;
    bool                     is_public = reckoning->freshness->control.flags & CACHE_CONTROL_PUBLIC;
    int64_t                  since_s;

    if ((!is_public && !freshness_is_heuristic_status(reckoning->received->answer->status)) ||
        !validators->has_last_modified)
        return false;
    since_s = validators->date_s - validators->last_modified_s;
    if (since_s < 0)
        return false;
    since_s = since_s / 100 * reckoning->policy->heuristic_percent +
              since_s % 100 * reckoning->policy->heuristic_percent / 100;
    *ret_s =
        since_s < reckoning->policy->heuristic_max_s ? since_s : reckoning->policy->heuristic_max_s;
    return true;
}

/* What the answer's directives and fields say, without X-Accel-Expires. */
static enum freshness_source lifetime_said(const struct reckoning *reckoning, int64_t *ret_s)
{
    const struct cache_control *control = &reckoning->freshness->control;

    if (control->s_maxage_s != CACHE_SECONDS_ABSENT) {
        *ret_s = control->s_maxage_s;
        return FRESHNESS_BY_S_MAXAGE;
    }
    if (control->max_age_s != CACHE_SECONDS_ABSENT) {
        *ret_s = control->max_age_s;
        return FRESHNESS_BY_MAX_AGE;
    }
    return expires_lifetime(reckoning, ret_s) ? FRESHNESS_BY_EXPIRES : FRESHNESS_BY_NOBODY;
}

/* Those of X-Accel-Expires and of proxy_cache_valid count from now on, however old the answer came. */
static enum freshness_source lifetime_of(const struct reckoning *reckoning,
                                         const struct accel *accel, int64_t *ret_s)
{
    int64_t               age_s = reckoning->freshness->facts.initial_age_s;
    enum freshness_source source;

    if (accel->kind == ACCEL_UNTIL) {
        *ret_s = age_s + within(accel->until_s - reckoning->response_s);
        return FRESHNESS_BY_ACCEL;
    }
    source = lifetime_said(reckoning, ret_s);
    if (source != FRESHNESS_BY_NOBODY)
        return source;
    if (reckoning->policy->valid_s >= 0) {
        *ret_s = age_s + within(reckoning->policy->valid_s);
        return FRESHNESS_BY_VALID;
    }
    return heuristic_lifetime(reckoning, ret_s) ? FRESHNESS_BY_HEURISTIC : FRESHNESS_BY_NOBODY;
}

/* ---- all together ---- */

/* Of a targeted field and Cache-Control, one holds whole (RFC 9213 2.2). As in nginx, X-Accel-Expires
 * with a time overrules what keeps the answer from being stored at all: an application sends it beside
 * directives that are meant for browsers. */
static struct cache_control control_in_force(const struct reckoning *reckoning,
                                             const struct accel *accel, struct arena *arena)
{
    struct cache_control control = cache_control_none();

    if (reckoning->received->targeted != NULL)
        control = *reckoning->received->targeted;
    else if (!(reckoning->policy->ignored & STORING_IGNORES_CACHE_CONTROL))
        control = cache_control_of_answer(&reckoning->received->answer->fields, arena);
    if (accel->kind == ACCEL_UNTIL && accel->until_s > reckoning->response_s)
        control.flags &=
            ~(unsigned)(CACHE_CONTROL_NO_STORE | CACHE_CONTROL_NO_CACHE | CACHE_CONTROL_PRIVATE);
    return control;
}

static uint32_t flags_of(const struct reckoning *reckoning)
{
    const struct cache_control *control = &reckoning->freshness->control;
    uint32_t                    flags = 0;

    if ((control->flags & (CACHE_CONTROL_MUST_REVALIDATE | CACHE_CONTROL_PROXY_REVALIDATE)) ||
        control->s_maxage_s != CACHE_SECONDS_ABSENT)
        flags |= OBJECT_MUST_REVALIDATE;
    if (control->flags & CACHE_CONTROL_NO_CACHE)
        flags |= OBJECT_NO_CACHE;
    if (reckoning->freshness->source == FRESHNESS_BY_HEURISTIC)
        flags |= OBJECT_HEURISTIC;
    if (reckoning->validators.etag.len > 0 || reckoning->validators.has_last_modified)
        flags |= OBJECT_HAS_VALIDATOR;
    return flags;
}

/* s-maxage forbids staleness as proxy-revalidate does (RFC 9111 5.2.2.10), but where the same field
 * also says stale-while-revalidate or stale-if-error, the extension modifies it (4, 5.2.3): the author
 * wrote both, and both are for us. The explicit directives cannot be modified so (4.2.1). */
static void reckon_staleness(const struct cache_control *control, struct object_facts *facts)
{
    if (control->flags & (CACHE_CONTROL_MUST_REVALIDATE | CACHE_CONTROL_PROXY_REVALIDATE |
                          CACHE_CONTROL_NO_CACHE))
        return;
    facts->stale_revalidate_s = (uint32_t)within(control->stale_revalidate_s);
    facts->stale_error_s = (uint32_t)within(control->stale_error_s);
}

struct freshness freshness_of(const struct received *received, const struct storing_policy *policy,
                              struct arena *arena)
{
    struct freshness    freshness = { .source = FRESHNESS_BY_NOBODY };
    struct reckoning    reckoning = { .received = received, .policy = policy, .freshness = &freshness,
                                      .response_s = received->response_ms / MS_PER_S };
    struct object_facts *facts = &freshness.facts;
    struct accel         accel = accel_of(&reckoning);
    int64_t              lifetime_s = 0;

    validators_of(&received->answer->fields, reckoning.response_s, &reckoning.validators);
    freshness.control = control_in_force(&reckoning, &accel, arena);
    facts->status = received->answer->status;
    facts->response_ms = received->response_ms;
    facts->date_s = reckoning.validators.date_s;
    facts->initial_age_s = (uint32_t)initial_age(&reckoning);
    freshness.source = lifetime_of(&reckoning, &accel, &lifetime_s);
    facts->lifetime_s = (uint32_t)within(lifetime_s);
    facts->flags = flags_of(&reckoning);
    reckon_staleness(&freshness.control, facts);
    freshness.is_off = accel.kind == ACCEL_NEVER ||
                       (freshness.source == FRESHNESS_BY_VALID && policy->valid_s == 0);
    return freshness;
}
