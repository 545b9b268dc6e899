// SPDX-License-Identifier: MIT
/* The steps from a request to a cache: look, load, follow.
 *
 * A request finds what it may use, or claims its key: the first asks the origin and fills, the others
 * follow. What becomes of the answer is steps_fill.c's. */
#include "base/mem.h"
#include "cache/stored_head.h"
#include "proxy/cache_rules.h"
#include "proxy/purging.h"
#include "proxy/steps.h"

enum { LOAD_MS = 10000,        /* a disk that has not answered by then has a miss */
       ROUNDS_MOST = 2,        /* of following leaders that fail */
       STRAYS_MOST = 3 };      /* of following those who lead another variant: one tells which is ours, unless
                                * the origin varies by this and that */

static enum turn use_stored(struct exchange *x);

/* ---- lookup ---- */

static enum turn forward(struct exchange *x)
{
    if (x->step == &step_lookup && x->caching == NULL && x->location->proxy.cache.zone != NULL)
        x->cache_outcome = CACHE_UNASKED;
    return exchange_go(x,
                       x->location->proxy.pass->url_template != NULL ? &step_resolve : &step_pick);
}

static enum turn lead(struct exchange *x, struct fill *fill)
{
    struct caching *caching = x->caching;

    caching->fill = fill;
    caching->role = ROLE_LEADER;
    cache_arrive(caching->cache, &caching->key, &caching->arrival);
    caching->serial = cache_next_serial(caching->cache);
    fill_set_serial(fill, caching->serial);
    caching->asked_ms = loop_wall_ms(x->loop);
    if (x->cache_outcome == CACHE_UNASKED)
        x->cache_outcome = caching->stored != NULL ? CACHE_EXPIRED : CACHE_MISS;
    return forward(x);
}

/* The origin is asked for this client alone, and what it says is not stored. */
static enum turn forward_unstored(struct exchange *x)
{
    x->caching->may_store = false;
    x->caching->asked_ms = loop_wall_ms(x->loop);
    if (x->request->method == METHOD_HEAD) {     /* by which what is stored may be renewed */
        cache_arrive(x->caching->cache, &x->caching->key, &x->caching->arrival);
        x->caching->serial = cache_next_serial(x->caching->cache);
    }
    if (x->cache_outcome == CACHE_UNASKED && rules_is_cached_method(x))
        x->cache_outcome = x->caching->stored != NULL ? CACHE_EXPIRED : CACHE_MISS;
    return forward(x);
}

/* By key and, where that is known, by variant: different variants don't wait for each other. */
static struct cache_hash claim_hash(const struct caching *caching)
{
    struct cache_hash hash = caching->key.hash;

    if (caching->variant.ptr != NULL)
        hash.low ^= cache_label(caching->cache, LABEL_KEY, caching->variant);
    return hash;
}

/* A purge came since it was asked for: it is for those who were there before. */
static bool is_outdated(struct caching *caching, struct fill *fill)
{
    uint64_t           serial = fill_serial(fill);
    enum purge_verdict verdict;
    struct object     *object;

    if (!cache_has_purged_since(caching->cache, serial))
        return false;
    object = fill_object(fill);
    if (object == NULL)
        return cache_verdict_ahead(caching->cache, serial, &caching->key, caching->x->host) !=
               PURGE_KEPT;
    verdict = cache_verdict(caching->cache, object);
    object_unref(object);
    return verdict != PURGE_KEPT;
}

static struct fill *claim_fill(struct caching *caching, enum claim *ret_claim)
{
    for (;;) {
        struct fill *fill =
            fills_claim(cache_fills(caching->cache), claim_hash(caching),
                        loop_now_ms(caching->x->loop), caching->policy->lock_age_ms, ret_claim);

        if (*ret_claim != CLAIM_FOLLOW || !is_outdated(caching, fill))
            return fill;
        fill_unlist(fill);
        fill_unref(fill);
    }
}

static enum turn follow(struct exchange *x, struct fill *fill)
{
    struct caching *caching = x->caching;

    caching->follower = fill_follow(fill, x->loop, &x->task);
    if (caching->follower == NULL) {     /* it has become too large for more */
        fill_unref(fill);
        return lead(x, fill_new_alone());
    }
    caching->fill = fill;
    caching->role = ROLE_FOLLOWER;
    caching->is_collapsed = true;
    caching->must_judge = cache_has_purged_since(caching->cache, fill_serial(fill));
    if (caching->give_up_ms == 0)
        caching->give_up_ms = loop_now_ms(x->loop) + caching->policy->lock_timeout_ms;
    return exchange_go(x, &step_follow);
}

static bool is_used_enough(struct caching *caching)
{
    return caching->policy->min_uses <= 1 ||
           cache_count_use(caching->cache, &caching->key) >= caching->policy->min_uses;
}

enum turn caching_serve(struct exchange *x, enum cache_outcome outcome)
{
    x->cache_outcome = outcome;
    x->caching->role = ROLE_NONE;
    return exchange_go(x, &step_serve);
}

void caching_replace_stored(struct caching *caching, struct object *object)
{
    if (caching->stored != NULL)
        object_unref(caching->stored);
    caching->stored = object;
    caching->is_purged = false;
}

/* Between our look and our claim another loop's leader may have stored what it got, and gone. */
static bool has_come_meanwhile(struct caching *caching)
{
    uint64_t       serial = caching->stored == NULL ? 0 : caching->stored->facts.serial;
    bool           is_purged = false;
    struct object *object =
        cache_find_again(caching->cache, &caching->key, &caching->ask, &is_purged);

    if (object == NULL)
        return false;
    if (object->facts.serial <= serial || is_purged) {
        object_unref(object);
        return false;
    }
    caching_replace_stored(caching, object);
    return true;
}

/* The origin must be asked: by us, or by whoever does so already. */
static enum turn claim(struct exchange *x)
{
    struct caching *caching = x->caching;
    enum claim      claim;
    struct fill    *fill;

    if (!caching->may_store)
        return forward_unstored(x);
    if (!is_used_enough(caching)) {
        caching->detail = TEXT("proxy_cache_min_uses");
        return forward_unstored(x);
    }
    if (caching->is_bypass || !caching->policy->is_locking)
        return lead(x, fill_new_alone());
    fill = claim_fill(caching, &claim);
    if (claim == CLAIM_LEAD && has_come_meanwhile(caching)) {
        fill_give_up(fill, FILL_FAILED, 0, 0);
        fill_unref(fill);
        return use_stored(x);
    }
    if (claim != CLAIM_FOLLOW)
        return lead(x, fill);
    if (!caching->may_be_stale)
        return follow(x, fill);
    fill_unref(fill);
    return caching_serve(x, CACHE_UPDATING);
}

/* A fetch by nobody renews what this client gets stale, unless somebody does so already. */
static void renew(struct exchange *x)
{
    struct caching  *caching = x->caching, *theirs;
    struct exchange *fork;
    enum claim       claim;
    struct fill     *fill;

    x->cache_outcome = CACHE_STALE;
    fill = claim_fill(caching, &claim);
    if (claim == CLAIM_FOLLOW)
        x->cache_outcome = CACHE_UPDATING;
    fork = claim == CLAIM_FOLLOW ? NULL : exchange_fork(x, &step_lookup);
    theirs = fork == NULL ? NULL : caching_begin(fork);
    if (theirs == NULL) {
        if (claim != CLAIM_FOLLOW)
            fill_give_up(fill, FILL_FAILED, 0, 0);
        fill_unref(fill);
        return;
    }
    theirs->fill = fill;
    theirs->role = ROLE_LEADER;
    theirs->stored = object_ref(caching->stored);
    theirs->variant = caching->variant;
}

static enum turn use_stored(struct exchange *x)
{
    struct caching *caching = x->caching;

    switch (caching->stored == NULL ? USE_AFTER_VALIDATION : rules_judge(caching)) {
    case USE_FRESH:
        return caching_serve(x, CACHE_HIT);
    case USE_STALE:
        return caching_serve(x, CACHE_STALE);
    case USE_WHILE_RENEWING:
        renew(x);
        return caching_serve(x, x->cache_outcome);
    case USE_WHILE_OTHERS_RENEW:
        caching->may_be_stale = true;
        break;
    case USE_AFTER_VALIDATION:
        break;
    }
    if (rules_is_only_if_cached(caching))
        return exchange_answer(x, 504);
    return claim(x);
}

static bool is_on_disk(struct exchange *x)
{
    struct caching *caching = x->caching;
    struct disk    *disk = cache_disk(caching->cache);
    uint64_t        place;

    if (disk == NULL)
        return false;
    cache_arrive(caching->cache, &caching->key, &caching->arrival);
    place = disk_find(disk, &caching->key, &caching->ask);
    if (place == 0) {
        cache_arrived(caching->cache, &caching->arrival);
        return false;
    }
    caching->read = mem_new(sizeof(*caching->read));
    caching->read->disk = disk;
    caching->read->place = place;
    caching->read->key = caching->key;
    caching->read->waiter = &x->task;
    caching->give_up_ms = loop_now_ms(x->loop) + LOAD_MS;
    (void)disk_read_start(caching->read);
    return true;
}

static enum turn run_lookup(struct exchange *x)
{
    struct caching *caching = x->caching;
    bool            has_other = false;

    if (caching != NULL && caching->role == ROLE_LEADER)   /* a fetch of renew()'s */
        return lead(x, caching->fill);
    caching_end(x);
    if (purging_is_asked(x))
        return exchange_go(x, &step_purge);
    caching = caching_begin(x);
    if (caching == NULL)
        return forward(x);
    if (caching->is_bypass)
        return claim(x);
    caching->stored =
        cache_find(caching->cache, &caching->key, &caching->ask, &caching->is_purged, &has_other);
    if (caching->stored == NULL && is_on_disk(x))
        return exchange_go(x, &step_load);
    if (has_other)
        caching->fwd = CACHE_FORWARD_VARY_MISS;
    return use_stored(x);
}

/* ---- load ---- */

/* What came from a disk was checked, but may have been written by another version. */
static bool is_readable(const struct exchange *x, const struct object *object)
{
    struct head head;

    return stored_head_unpack(object_head(object), x->arena, &head) == 0;
}

static enum turn run_load(struct exchange *x)
{
    struct caching *caching = x->caching;

    if (!caching->read->is_done && loop_now_ms(x->loop) < caching->give_up_ms) {
        timer_set(loop_timers(x->loop), &x->timer, caching->give_up_ms);
        return TURN_WAIT;
    }
    timer_stop(&x->timer);
    caching->give_up_ms = 0;             /* to follow has a time of its own */
    if (caching->read->is_done && caching->read->ret_object != NULL) {
        caching->stored = object_ref(caching->read->ret_object);
        if (!is_readable(x, caching->stored) ||
            !cache_promote(caching->cache, caching->stored, &caching->is_purged)) {
            object_unref(caching->stored);
            caching->stored = NULL;
        }
    }
    disk_read_leave(&caching->read);
    cache_arrived(caching->cache, &caching->arrival);
    return use_stored(x);
}

/* ---- follow ---- */

static void follow_end(struct caching *caching)
{
    timer_stop(&caching->x->timer);
    if (caching->follower != NULL)
        fill_leave(caching->fill, &caching->follower);
}

void caching_drop_fill(struct caching *caching)
{
    if (caching->role == ROLE_FOLLOWER) {
        caching->is_collapsed = false;
        caching->has_waited = true;
    }
    follow_end(caching);
    fill_unref(caching->fill);
    caching->fill = NULL;
    caching->role = ROLE_NONE;
}

/* Is the answer that the leader got one for this request, too? */
static bool is_ours(struct caching *caching, const struct object *object)
{
    struct text variant;

    if (!(object->facts.flags & OBJECT_IS_VARIED))
        return true;
    variant = caching->ask.variant(&caching->ask, object_vary(object));
    return variant.ptr != NULL && text_is_equal(variant, object_variant(object));
}

/* What came is for us: from the fill while it flows. */
static enum turn take_over(struct exchange *x)
{
    struct caching *caching = x->caching;
    struct object  *object = fill_object(caching->fill);

    if (object == NULL)
        return TURN_WAIT;
    if (caching->must_judge && is_outdated(caching, caching->fill)) {
        object_unref(object);
        fill_unlist(caching->fill);
        caching_drop_fill(caching);              /* by a label that its head has told of */
        return ++caching->rounds < ROUNDS_MOST ? claim(x) : lead(x, fill_new_alone());
    }
    if (!is_ours(caching, object)) {
        object_unref(object);
        caching_drop_fill(caching);              /* under the variant that is known now: */
        return ++caching->strays < STRAYS_MOST ? claim(x) : lead(x, fill_new_alone());
    }
    caching_replace_stored(caching, object);
    x->cache_outcome = CACHE_HIT;
    return exchange_go(x, &step_serve);
}

/* The leader got no answer: what is stale may do; one more is asked for, and then they know. */
static enum turn leader_failed(struct exchange *x)
{
    struct caching *caching = x->caching;
    unsigned        status = fill_status(caching->fill);

    caching_drop_fill(caching);
    if (caching_rescues(x, status == 504 ? NEXT_TIMEOUT : NEXT_ERROR, status))
        return TURN_NEXT;
    if (++caching->rounds < ROUNDS_MOST || status == 0)
        return claim(x);
    return exchange_answer(x, status);
}

/* Until the leader has had its time: one more is sent then. Or until this client has waited enough. */
static enum turn wait_on(struct exchange *x)
{
    struct caching *caching = x->caching;
    int64_t         now_ms = loop_now_ms(x->loop);
    int64_t         age_ms = fill_claimed_ms(caching->fill) + caching->policy->lock_age_ms + 1;

    if (now_ms >= caching->give_up_ms) {
        caching_drop_fill(caching);
        caching->detail = TEXT("proxy_cache_lock_timeout");
        return forward_unstored(x);
    }
    if (now_ms >= age_ms) {
        caching_drop_fill(caching);
        return claim(x);
    }
    timer_set(loop_timers(x->loop), &x->timer,
              age_ms < caching->give_up_ms ? age_ms : caching->give_up_ms);
    return TURN_WAIT;
}

static enum turn run_follow(struct exchange *x)
{
    struct caching *caching = x->caching;

    switch (fill_state(caching->fill)) {
    case FILL_FLOWING:
    case FILL_WHOLE:
        return take_over(x);
    case FILL_FAILED:
        return leader_failed(x);
    case FILL_PRIVATE:
        caching_drop_fill(caching);
        return lead(x, fill_new_alone());
    case FILL_ASKED:
        break;
    }
    return wait_on(x);
}

const struct step step_lookup = { "lookup", run_lookup, GUARD_NONE };
const struct step step_load = { "load", run_load, GUARD_TIMER };
const struct step step_follow = { "follow", run_follow, GUARD_TIMER };
