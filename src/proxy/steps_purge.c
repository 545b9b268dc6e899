// SPDX-License-Identifier: MIT
/* The step that purges: 204 when no request gets any more what was purged, nor after a restart. */
#include "proxy/caching.h"
#include "proxy/purging.h"
#include "proxy/steps.h"

enum { DISK_MS = 10000 };                /* a disk that has not written by then may be lost */

static enum turn say(struct exchange *x, unsigned status, struct text words)
{
    timer_stop(&x->timer);
    x->status = status;
    x->answer_text = words.len == 0 ? TEXT("") : arena_format(x->arena, "%.*s\n", TEXT_ARGS(words));
    x->answer_type = TEXT("text/plain");
    return exchange_go(x, &step_respond);
}

static enum turn refuse(struct exchange *x, unsigned status, struct text why)
{
    exchange_log(x, status >= 500 ? LOG_ERROR : LOG_INFO, "purge refused: %.*s", TEXT_ARGS(why));
    return say(x, status, why);
}

static enum turn not_for_good(struct exchange *x)
{
    exchange_log(x, LOG_ERROR, "purge was not written to the disk");
    return say(x, 500, TEXT("purged now, but not for good: after a restart it may be there again"));
}

static enum turn run_purge(struct exchange *x)
{
    struct text why = TEXT_NONE;
    unsigned    status;

    if (x->caching == NULL) {
        status = purging_begin(x, &why);
        if (status != 0)
            return refuse(x, status, why);
        x->caching->give_up_ms = loop_now_ms(x->loop) + DISK_MS;
    }
    switch (purging_state(x->caching->purging)) {
    case PURGING_DONE:
        return say(x, 204, TEXT_NONE);
    case PURGING_FAILED:
        return not_for_good(x);
    case PURGING_WAITS:
        break;
    }
    if (loop_now_ms(x->loop) >= x->caching->give_up_ms)
        return not_for_good(x);
    timer_set(loop_timers(x->loop), &x->timer, x->caching->give_up_ms);
    return TURN_WAIT;
}

const struct step step_purge = { "purge", run_purge, GUARD_TIMER };
