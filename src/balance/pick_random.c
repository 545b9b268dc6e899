// SPDX-License-Identifier: MIT
/* `random`: by lot, in proportion to the weights. `random two`: the better of two different lots,
 * which evens out nearly as well as looking at all, and does not send everybody who looks at the same
 * moment to the same server. Several lots give nobody when most of the roster is not to be had: then
 * its turn decides, as in nginx. */
#include "balance/group_parts.h"
#include "balance/pick_time.h"
#include "base/random.h"

static struct peer *draw(const struct roster *roster, const struct pick_ask *ask,
                         const struct peer *except, unsigned *tries)
{
    uint64_t lots = roster_lots(roster);

    while (*tries <= PICK_TRIES) {
        struct peer *peer = roster_at(roster, random_below(lots));

        if (peer != except && peer_is_usable(peer, ask))
            return peer;
        (*tries)++;
    }
    return NULL;
}

static bool is_better(const struct roster *roster, const struct peer *one, const struct peer *other,
                      int64_t now_ms)
{
    if (roster->group->balance.is_timed)
        return pick_time_cost(roster, one, now_ms) < pick_time_cost(roster, other, now_ms);
    return peer_load(roster, one, now_ms) < peer_load(roster, other, now_ms);
}

static struct peer *pick(struct roster *roster, const struct pick_ask *ask)
{
    unsigned     tries = 0;
    struct peer *one, *other;

    if (roster_lots(roster) == 0)
        return NULL;
    one = draw(roster, ask, NULL, &tries);
    if (one != NULL && !roster->group->balance.has_two)
        return one;
    other = one != NULL ? draw(roster, ask, one, &tries) : NULL;
    if (other == NULL)
        return roster_in_turn(roster, ask);
    return is_better(roster, one, other, ask->now_ms) ? one : other;
}

const struct picker pick_random = { .name = "random", .pick = pick };
