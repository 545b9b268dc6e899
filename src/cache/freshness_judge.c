// SPDX-License-Identifier: MIT
/* What may be done with a stored answer, now and for this request (RFC 9111 4, 4.2.4, 5.2.1, RFC 5861).
 * Nothing is stale without bound: the answer's own permissions have theirs, the client's and the
 * administrator's share one. Pure functions, any thread. */
#include "cache/freshness.h"

/* What the judgement is about. */
struct matter {
    const struct object_facts  *facts;
    const struct cache_control *asked;
    const struct stale_policy  *policy;
    int64_t                     age_s, stale_s;
    bool                        is_fresh;
    bool                        may_be_stale;    /* nothing in the answer forbids what it does not allow */
};

/* RFC 9111 5.2.1.1: the client takes nothing older. Ages are cut to whole seconds, so one that is as long as it
 * may be has passed it. */
static bool is_young_enough(const struct matter *matter)
{
    return matter->asked->max_age_s == CACHE_SECONDS_ABSENT ||
           matter->age_s < matter->asked->max_age_s;
}

/* RFC 9111 5.2.1.3 */
static bool stays_fresh(const struct matter *matter)
{
    return matter->asked->min_fresh_s == CACHE_SECONDS_ABSENT ||
           matter->facts->lifetime_s >= matter->age_s + matter->asked->min_fresh_s;
}

static bool is_within_policy(const struct matter *matter)
{
    return matter->may_be_stale && matter->stale_s <= matter->policy->most_s;
}

static bool is_within(int64_t stale_s, int64_t permitted_s)
{
    return permitted_s > 0 && stale_s <= permitted_s;
}

/* RFC 5861 4: said by the answer or by the request. What is fresh and only younger than the client
 * likes needs no permission. */
static void judge_errors(const struct matter *matter, struct judgement *judgement)
{
    judgement->is_for_errors =
        matter->is_fresh || is_within(matter->stale_s, matter->facts->stale_error_s) ||
        (is_within_policy(matter) && is_within(matter->stale_s, matter->asked->stale_error_s));
    judgement->is_for_named_errors =
        matter->is_fresh || (matter->policy->is_on_error && is_within_policy(matter));
}

/* Without max-stale, a client that says max-age or min-fresh wants nothing stale (RFC 9111 5.2.1.1). */
static bool is_stale_welcome(const struct matter *matter)
{
    return matter->asked->min_fresh_s == CACHE_SECONDS_ABSENT &&
           (matter->asked->max_age_s == CACHE_SECONDS_ABSENT ||
            (matter->asked->max_stale_s != CACHE_SECONDS_ABSENT && is_young_enough(matter)));
}

/* Served stale without waiting for the origin; JUDGED_UNUSABLE: it may not. */
static enum judged judge_stale(const struct matter *matter)
{
    if (matter->is_fresh || !is_stale_welcome(matter))
        return JUDGED_UNUSABLE;
    if (is_within_policy(matter) && matter->stale_s <= matter->asked->max_stale_s)
        return JUDGED_STALE_ACCEPTED;
    if (is_within(matter->stale_s, matter->facts->stale_revalidate_s))
        return JUDGED_STALE_REVALIDATING;
    if (matter->policy->is_while_updating && is_within_policy(matter))
        return JUDGED_STALE_UPDATING;
    return JUDGED_UNUSABLE;
}

static enum judged judge_without_serving(const struct object_facts *facts)
{
    return facts->flags & OBJECT_HAS_VALIDATOR ? JUDGED_VALIDATE : JUDGED_UNUSABLE;
}

struct judgement freshness_judge(const struct object_facts *facts, int64_t age_s, bool is_purged,
                                 const struct cache_control *asked,
                                 const struct stale_policy  *policy)
{
    const struct cache_control nothing = cache_control_none();
    struct matter matter = { .facts = facts, .asked = asked != NULL ? asked : &nothing,
                             .policy = policy, .age_s = age_s };
    struct judgement judgement = { .judged = judge_without_serving(facts), .age_s = age_s };

    matter.is_fresh = !is_purged && !(facts->flags & OBJECT_NO_CACHE) && facts->lifetime_s > age_s;
    matter.may_be_stale = !(facts->flags & OBJECT_MUST_REVALIDATE);
    matter.stale_s = age_s > facts->lifetime_s ? age_s - facts->lifetime_s : 0;
    judgement.stale_s = matter.stale_s;
    judgement.is_fresh = matter.is_fresh;
    if ((facts->flags & OBJECT_NO_CACHE) || (matter.asked->flags & CACHE_CONTROL_NO_CACHE))
        return judgement;
    judge_errors(&matter, &judgement);
    if (matter.is_fresh && is_young_enough(&matter) && stays_fresh(&matter))
        judgement.judged = JUDGED_FRESH;
    else if (judge_stale(&matter) != JUDGED_UNUSABLE)
        judgement.judged = judge_stale(&matter);
    else if (judgement.is_for_errors || judgement.is_for_named_errors)
        judgement.judged = JUDGED_STALE_ON_ERROR;
    return judgement;
}

bool freshness_needs_origin(enum judged judged)
{
    return judged >= JUDGED_STALE_ON_ERROR;
}
