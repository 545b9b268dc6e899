// SPDX-License-Identifier: MIT
/* Six ends in ten seconds are a pattern: then the pause doubles from one second to thirty, and it
 * starts over after a worker has lived longer than that. */
#include "main/restarts.h"

#include "base/log.h"

static int64_t end_back(const struct restarts *restarts, unsigned back)
{
    return restarts->ends_ms[(restarts->count - back) % RESTARTS_MOST];
}

bool restarts_are_too_many(const struct restarts *restarts)
{
    return restarts->count >= RESTARTS_MOST &&
           end_back(restarts, 1) - end_back(restarts, RESTARTS_MOST) < RESTARTS_WITHIN_MS;
}

void restarts_hold(struct restarts *restarts, int64_t now_ms)
{
    int64_t hold_ms = restarts->hold_ms == 0 ? RESTARTS_HOLD_MS : restarts->hold_ms * 2;

    restarts->hold_ms = hold_ms < RESTARTS_HOLD_MOST_MS ? hold_ms : RESTARTS_HOLD_MOST_MS;
    restarts->next_ms = now_ms + restarts->hold_ms;
}

void restarts_note(struct restarts *restarts, int64_t now_ms)
{
    bool has_lived = restarts->count > 0 &&
                     now_ms - end_back(restarts, 1) >= restarts->hold_ms + RESTARTS_WITHIN_MS;

    restarts->ends_ms[restarts->count++ % RESTARTS_MOST] = now_ms;
    restarts->next_ms = now_ms;
    if (has_lived)
        restarts->hold_ms = 0;
    if (restarts->hold_ms == 0 && !restarts_are_too_many(restarts))
        return;
    restarts_hold(restarts, now_ms);
    log_at(LOG_ERROR, NULL, "worker processes end too often, the next one starts in %lld s",
           (long long)restarts->hold_ms / 1000);
}

int64_t restarts_when_ms(const struct restarts *restarts)
{
    return restarts->next_ms;
}
