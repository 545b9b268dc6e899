// SPDX-License-Identifier: MIT
/* The steps around a cache: look, wait, store, serve.
 *
 * A request finds what it may use, or claims its key: the first asks the origin and fills, the others
 * follow. Between a peer and its client there is the fill then: the peer's body goes into it at the peer's
 * pace, and each client reads from it at its own. */
#include <string.h>

#include "base/mem.h"
#include "cache/stored_head.h"
#include "http/status.h"
#include "proxy/answer_head.h"
#include "proxy/cache_key.h"
#include "proxy/cache_rules.h"
#include "proxy/cached_answer.h"
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

static enum turn serve_stored(struct exchange *x, enum cache_outcome outcome)
{
    x->cache_outcome = outcome;
    x->caching->role = ROLE_NONE;
    return exchange_go(x, &step_serve);
}

static void replace_stored(struct caching *caching, struct object *object)
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
    replace_stored(caching, object);
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
    return serve_stored(x, CACHE_UPDATING);
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
        return serve_stored(x, CACHE_HIT);
    case USE_STALE:
        return serve_stored(x, CACHE_STALE);
    case USE_WHILE_RENEWING:
        renew(x);
        return serve_stored(x, x->cache_outcome);
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

static void drop_fill(struct caching *caching)
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
        drop_fill(caching);              /* by a label that its head has told of */
        return ++caching->rounds < ROUNDS_MOST ? claim(x) : lead(x, fill_new_alone());
    }
    if (!is_ours(caching, object)) {
        object_unref(object);
        drop_fill(caching);              /* under the variant that is known now: */
        return ++caching->strays < STRAYS_MOST ? claim(x) : lead(x, fill_new_alone());
    }
    replace_stored(caching, object);
    x->cache_outcome = CACHE_HIT;
    return exchange_go(x, &step_serve);
}

/* The leader got no answer: what is stale may do; one more is asked for, and then they know. */
static enum turn leader_failed(struct exchange *x)
{
    struct caching *caching = x->caching;
    unsigned        status = fill_status(caching->fill);

    drop_fill(caching);
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
        drop_fill(caching);
        caching->detail = TEXT("proxy_cache_lock_timeout");
        return forward_unstored(x);
    }
    if (now_ms >= age_ms) {
        drop_fill(caching);
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
        drop_fill(caching);
        return lead(x, fill_new_alone());
    case FILL_ASKED:
        break;
    }
    return wait_on(x);
}

/* ---- store ---- */

static void give_up(struct caching *caching, enum fill_state state, unsigned status)
{
    if (caching->role != ROLE_LEADER)
        return;
    fill_give_up(caching->fill, state, status, loop_now_ms(caching->x->loop) + CACHING_PRIVATE_MS);
    drop_fill(caching);
    cache_arrived(caching->cache, &caching->arrival);
}

/* As if there were no cache. */
static enum turn pass_on(struct exchange *x)
{
    give_up(x->caching, FILL_PRIVATE, 0);
    x->response_body.may_splice = x->location->proxy.limit_rate == 0;
    return forward_answer(x);
}

/* The same origin, without conditions. */
static enum turn ask_again(struct exchange *x)
{
    object_unref(x->caching->stored);
    x->caching->stored = NULL;
    x->response = NULL;
    x->ask.tried_count = 0;
    return exchange_go(x, &step_pick);
}

/* A 304 to our own conditions: what is stored is good again. */
static enum turn renewed(struct exchange *x)
{
    struct caching *caching = x->caching;
    bool            may_keep = false;
    struct object  *object = rules_refreshed(caching, x->response, &may_keep);

    forward_done(x, true, false);
    if (object == NULL)                  /* it is about something else */
        return ask_again(x);
    if (may_keep) {
        caching->is_stored = cache_store(caching->cache, object);
        fill_finish_with(caching->fill, object);
        fill_unlist(caching->fill);
        drop_fill(caching);
        cache_arrived(caching->cache, &caching->arrival);
    } else {                             /* good for this client only */
        rules_forget(caching);
        give_up(caching, FILL_PRIVATE, 0);
    }
    replace_stored(caching, object);
    if (x->is_unattended)
        return finish_for_nobody(x);
    return serve_stored(x, CACHE_REVALIDATED);
}

/* The peer's body goes to the fill from now on. */
static void put_fill_between(struct exchange *x)
{
    struct caching *caching = x->caching;

    caching->peer_body = x->response_body;
    caching->peer_body.may_splice = false;
    x->peer->rx_body = &caching->peer_body;
    pipe_set_reader(&caching->peer_body, &x->task);
    pipe_init(&x->response_body, OBJECT_SLICE_BYTES * 2);
    fill_lead(caching->fill, x->loop, &x->task);
}

static uint64_t length_of(const struct head *response)
{
    if (response->body == BODY_NONE)
        return 0;
    return response->body == BODY_SIZED ? response->length : FILL_LENGTH_UNKNOWN;
}

static enum turn run_store(struct exchange *x)
{
    struct caching *caching = x->caching;
    struct object  *skeleton;
    bool            is_shared = false;

    caching->fwd_status = x->response->status;
    if (caching->role != ROLE_LEADER) {
        rules_learn(caching, x->response);
        return pass_on(x);
    }
    if (caching->is_validating && x->response->status == 304)
        return renewed(x);
    if (caching_rescues(x, next_condition(x->response->status), x->response->status))
        return TURN_NEXT;
    skeleton = rules_object(caching, x->response, &is_shared);
    if (skeleton == NULL)
        return pass_on(x);
    if (!is_shared) {                    /* to be stored, but nobody may have it unasked */
        fill_give_up(caching->fill, FILL_PRIVATE, 0, loop_now_ms(x->loop) + CACHING_PRIVATE_MS);
        drop_fill(caching);
        caching->fill = fill_new_alone();
        caching->role = ROLE_LEADER;
    }
    fill_head(caching->fill, skeleton, length_of(x->response), cache_object_max(caching->cache),
              cache_disk(caching->cache));
    caching->is_stored = true;
    put_fill_between(x);
    return exchange_go(x, &step_fill);
}

/* ---- fill ---- */

/* As much as has come and may go at once. False: there is no memory for it. */
static bool pump_some(struct exchange *x, size_t *ret_moved)
{
    struct caching *caching = x->caching;
    struct pipe    *pipe = &caching->peer_body;
    struct iovec    iov[PIPE_SLICES];
    size_t          room = fill_room(caching->fill), len = 0;
    int             n = room > 0 ? pipe_peek(pipe, iov, PIPE_SLICES) : 0;

    for (int i = 0; i < n && len < room; i++) {
        size_t some = iov[i].iov_len < room - len ? iov[i].iov_len : room - len;

        if (!fill_append(caching->fill, text_of(iov[i].iov_base, some)))
            return false;
        len += some;
    }
    if (len > 0)
        pipe_drop(pipe, len);
    *ret_moved = len;
    return true;
}

/* From the peer into the fill, until one of them promises to wake us. */
static bool pump(struct exchange *x)
{
    size_t moved;

    do
        if (!pump_some(x, &moved))
            return false;
    while (moved > 0);
    return true;
}

static void peer_is_done(struct exchange *x)
{
    fill_end(x->caching->fill);
    x->response_trailers = x->peer->rx_trailers;
    forward_done(x, x->peer->is_tx_done, false);
}

/* Into the cache, as soon as a large body is on its disk. */
static void commit(struct exchange *x)
{
    struct caching *caching = x->caching;
    struct object  *object = NULL;

    if (!fill_commit(caching->fill, &object))
        return;
    if (object != NULL) {
        (void)cache_store(caching->cache, object);
        object_unref(object);
    }
    fill_unlist(caching->fill);
    caching->role = ROLE_NONE;
    cache_arrived(caching->cache, &caching->arrival);
}

static void fail_fill(struct exchange *x, int fault)
{
    const struct fault_row *row = fault_row(fault);

    exchange_log(x, LOG_ERROR, "%s", row->words);
    x->fault = fault;
    fill_give_up(x->caching->fill, FILL_FAILED, (unsigned)row->status, 0);
    x->caching->role = ROLE_NONE;
    cache_arrived(x->caching->cache, &x->caching->arrival);
    forward_done(x, false, row->blame == BLAME_PEER);
}

/* error_page speaks in its place. */
static bool is_replaced(const struct exchange *x)
{
    return !x->is_head_sent && answer_is_intercepted(x, x->response->status);
}

/* Nothing will be kept, and nobody reads. */
static bool is_in_vain(struct exchange *x)
{
    return (x->is_unattended || is_replaced(x)) && x->peer != NULL && !fill_is_kept(x->caching->fill) &&
           !fill_has_followers(x->caching->fill);
}

static void peer_side(struct exchange *x)
{
    struct stream *peer = x->peer;

    if (!pump(x))
        fail_fill(x, FAULT_NO_BUFFERS);
    else if (peer->is_rx_done && !pipe_has_data(&x->caching->peer_body))
        peer_is_done(x);
    else if (peer->fault != FAULT_NONE)
        fail_fill(x, peer->fault);
    else if (is_in_vain(x)) {
        fill_give_up(x->caching->fill, FILL_FAILED, 0, 0);
        x->caching->role = ROLE_NONE;
        cache_arrived(x->caching->cache, &x->caching->arrival);
        forward_done(x, false, false);
    }
}

static enum turn cut_client(struct exchange *x)
{
    x->is_client_gone = true;
    x->client->ops->reset(x->client, x->fault);
    return exchange_go(x, &step_finish);
}

/* The answer goes into the cache, whole; its client waits for that, and gets the page then. */
static enum turn fill_for_others(struct exchange *x)
{
    if (x->peer != NULL)
        peer_side(x);
    if (x->peer == NULL && x->caching->role == ROLE_LEADER)
        commit(x);
    if (x->peer != NULL && x->peer->rx_budget != BUDGET_NONE)
        pace_peer(x);
    if (x->peer != NULL || x->caching->role == ROLE_LEADER)
        return TURN_WAIT;
    x->fault = FAULT_NONE;
    return exchange_answer(x, x->response->status);
}

static enum turn run_fill(struct exchange *x)
{
    struct stream *client = x->client;

    if (!x->is_unattended && is_replaced(x))
        return fill_for_others(x);
    if (!x->is_head_sent && !x->is_unattended)
        cached_answer_begin(x);
    if (x->peer != NULL)
        peer_side(x);
    if (x->peer == NULL && x->caching->role == ROLE_LEADER)
        commit(x);
    if (x->peer == NULL && x->fault != FAULT_NONE && !client->is_tx_done)
        return cut_client(x);
    if (client->tx_budget != BUDGET_NONE && !client->is_tx_done)
        pace(x);
    if (x->peer != NULL && x->peer->rx_budget != BUDGET_NONE)
        pace_peer(x);
    if (!client->is_tx_done)
        return TURN_WAIT;
    if (x->caching->role != ROLE_LEADER)
        return exchange_go(x, &step_finish);
    if (!x->is_unattended)
        exchange_leave_client(x);
    return TURN_WAIT;
}

/* ---- serve ---- */

static bool is_stored_replaced(struct exchange *x)
{
    struct head *head;

    if (x->is_head_sent || !x->location->proxy.is_intercepting_errors)
        return false;
    head = ARENA_NEW(x->arena, struct head);
    must(stored_head_unpack(object_head(x->caching->stored), x->arena, head) == 0);
    x->response = head;
    return is_replaced(x);
}

static enum turn answer_instead(struct exchange *x)
{
    if (x->caching->fill != NULL)
        drop_fill(x->caching);
    return exchange_answer(x, x->response->status);
}

static enum turn run_serve(struct exchange *x)
{
    struct stream *client = x->client;

    if (is_stored_replaced(x))
        return answer_instead(x);
    if (!x->is_head_sent)
        cached_answer_begin(x);
    if (client->tx_budget != BUDGET_NONE && !client->is_tx_done)
        pace(x);
    if (x->response_body.fault != FAULT_NONE && !client->is_tx_done) {
        exchange_log(x, LOG_ERROR, "%s", fault_row(x->response_body.fault)->words);
        x->fault = x->response_body.fault;
        return cut_client(x);
    }
    return client->is_tx_done ? exchange_go(x, &step_finish) : TURN_WAIT;
}

const struct step step_lookup = { "lookup", run_lookup, GUARD_NONE };
const struct step step_load = { "load", run_load, GUARD_TIMER };
const struct step step_follow = { "follow", run_follow, GUARD_TIMER };
const struct step step_store = { "store", run_store, GUARD_NONE };
const struct step step_fill = { "fill", run_fill, GUARD_BOTH };
const struct step step_serve = { "serve", run_serve, GUARD_BOTH };
