// SPDX-License-Identifier: MIT
/* How much one of them may have: first the rate of requests, which may mean a wait, then how many are
 * under way. That is the order of nginx's preaccess phase, whose handlers run in the reverse order of
 * its modules; a request that waits is not under way yet. Each is asked once in an exchange, by the
 * first location that has limits, whatever internal redirects follow. */
#include <inttypes.h>

#include "limit/conns.h"
#include "limit/requests.h"
#include "proxy/limits.h"
#include "proxy/steps.h"

static const char *dry(bool is_dry_run, const char *words)
{
    return is_dry_run ? words : "";
}

/* Empty keys don't count, and too long ones neither. */
static bool key_counts(struct exchange *x, const struct limit_zone *zone, size_t most,
                       struct text *ret_key)
{
    *ret_key = template_eval(zone->key, &x->scope);
    if (ret_key->len > most)
        exchange_log(x, LOG_ERROR, "the value of the \"%.*s\" key is more than %zu bytes: \"%.*s\"",
                     TEXT_ARGS(template_source(zone->key)), most, TEXT_ARGS(*ret_key));
    return ret_key->len > 0 && ret_key->len <= most;
}

/* The status to answer with, or 0 for a dry run. */
static unsigned refused(enum limit_outcome *outcome, bool is_dry_run, unsigned status)
{
    *outcome = is_dry_run ? LIMIT_REJECTED_DRY_RUN : LIMIT_REJECTED;
    return is_dry_run ? 0 : status;
}

/* ---- limit_req ---- */

static unsigned asks_make(struct exchange *x, struct requests_ask **ret_asks)
{
    const struct limit_req *limits = x->location->limit_reqs;
    unsigned                count = 0;

    for (const struct limit_req *limit = limits; limit != NULL; limit = limit->next)
        count++;
    *ret_asks = ARENA_ARRAY(x->arena, struct requests_ask, count);
    count = 0;
    for (const struct limit_req *limit = limits; limit != NULL; limit = limit->next) {
        struct requests_ask *ask = &(*ret_asks)[count];

        ask->limit = limit;
        if (key_counts(x, limit->zone, REQUESTS_KEY_MOST, &ask->key))
            count++;
    }
    return count;
}

static unsigned reject(struct exchange *x, const struct requests_answer *answer)
{
    const struct location *location = x->location;
    struct text            zone = answer->limit->zone->name;

    if (answer->verdict == REQUESTS_NO_ROOM)
        exchange_log(x, LOG_ALERT, "could not allocate node in limit_req zone \"%.*s\"",
                     TEXT_ARGS(zone));
    else
        exchange_log(x, location->limit_req_log,
                     "limiting requests%s, excess: %" PRIu64 ".%03u by zone \"%.*s\"",
                     dry(location->is_limit_req_dry, ", dry run"), answer->excess / 1000,
                     (unsigned)(answer->excess % 1000), TEXT_ARGS(zone));
    return refused(&x->limit_req, location->is_limit_req_dry, location->limit_req_status);
}

static void delay(struct exchange *x, const struct requests_answer *answer)
{
    const struct location *location = x->location;
    enum log_level         level = location->limit_req_log;

    exchange_log(x, level > LOG_INFO ? level - 1 : LOG_INFO,
                 "delaying request%s, excess: %" PRIu64 ".%03u, by zone \"%.*s\"",
                 dry(location->is_limit_req_dry, ", dry run"), answer->excess / 1000,
                 (unsigned)(answer->excess % 1000), TEXT_ARGS(answer->limit->zone->name));
    x->limit_req = location->is_limit_req_dry ? LIMIT_DELAYED_DRY_RUN : LIMIT_DELAYED;
    if (location->is_limit_req_dry)
        return;
    x->limit_until_ms = loop_now_ms(x->loop) + answer->delay_ms;
    timer_set(loop_timers(x->loop), &x->timer, x->limit_until_ms);
}

/* The status to answer with, or 0. */
static unsigned ask_requests(struct exchange *x)
{
    struct requests_ask   *asks;
    unsigned               count = asks_make(x, &asks);
    struct requests_answer answer;

    if (count == 0)
        return 0;
    answer = requests_take(asks, count, loop_now_ms(x->loop));
    switch (answer.verdict) {
    case REQUESTS_PASSED:
        x->limit_req = LIMIT_PASSED;
        return 0;
    case REQUESTS_DELAYED:
        delay(x, &answer);
        return 0;
    case REQUESTS_REJECTED:
    case REQUESTS_NO_ROOM:
        break;
    }
    return reject(x, &answer);
}

/* ---- limit_conn ---- */

void limits_release(struct exchange *x)
{
    for (; x->limit_places != NULL; x->limit_places = x->limit_places->next)
        conns_give(x->limit_places);
}

static unsigned too_many(struct exchange *x, const struct limit_zone *zone,
                         enum conns_verdict verdict)
{
    const struct location *location = x->location;

    if (verdict == CONNS_NO_ROOM)
        exchange_log(x, LOG_CRIT, "no memory in limit_conn_zone \"%.*s\"", TEXT_ARGS(zone->name));
    else
        exchange_log(x, location->limit_conn_log, "limiting connections%s by zone \"%.*s\"",
                     dry(location->is_limit_conn_dry, ", dry run,"), TEXT_ARGS(zone->name));
    limits_release(x);
    return refused(&x->limit_conn, location->is_limit_conn_dry, location->limit_conn_status);
}

static unsigned ask_conns(struct exchange *x)
{
    const struct limit_conn *limits = x->location->limit_conns;
    struct text              key;

    for (const struct limit_conn *limit = limits; limit != NULL; limit = limit->next) {
        struct conns_place *place;
        enum conns_verdict  verdict;

        if (!key_counts(x, limit->zone, CONNS_KEY_MOST, &key))
            continue;
        place = ARENA_NEW(x->arena, struct conns_place);
        verdict = conns_take(limit, key, place);
        if (verdict != CONNS_TAKEN)
            return too_many(x, limit->zone, verdict);
        x->limit_conn = LIMIT_PASSED;
        place->next = x->limit_places;
        x->limit_places = place;
    }
    return 0;
}

/* ---- the step ---- */

static bool is_delayed(struct exchange *x)
{
    if (x->limit_until_ms == 0)
        return false;
    if (loop_now_ms(x->loop) < x->limit_until_ms)
        return true;
    x->limit_until_ms = 0;
    timer_stop(&x->timer);
    return false;
}

static enum turn run_limit(struct exchange *x)
{
    unsigned status = 0;

    if (x->limit_req == LIMIT_UNASKED && x->location->limit_reqs != NULL)
        status = ask_requests(x);
    if (is_delayed(x))
        return TURN_WAIT;
    if (status == 0 && x->limit_conn == LIMIT_UNASKED && x->location->limit_conns != NULL)
        status = ask_conns(x);
    return status == 0 ? exchange_go(x, &step_access) : exchange_answer(x, status);
}

const struct step step_limit = { "limit", run_limit, GUARD_TIMER };
