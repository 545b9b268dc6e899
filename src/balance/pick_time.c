// SPDX-License-Identifier: MIT
/* `least_time`: who answers soonest, as far as we know (balance/latency.h), counting those who wait
 * there already. A peer of which nothing is known gets one request, and while that is out it is taken
 * to be as quick as peers usually are.
 *
 * One that fails of late is never taken to be quicker or quieter than the others: failing is quick.
 * And since a request that fails must be made again, time counts by the part of answers that are good.
 *
 * `inflight`: what is not complete tells, too. When requests have been waiting longer on average than
 * answers take, that is how long an answer takes.
 *
 * Up to ROSTER_SCANNED peers are looked at one by one; of a longer roster SAMPLES are drawn by lot. */
#include "balance/pick_time.h"

#include "balance/group_parts.h"
#include "base/random.h"

enum { SAMPLES = 5, TYPICAL_OF = 32 /* answers, roughly */ };

#define WORST 1.05                       /* who only fails is twenty times as slow */

/* ---- what is known ---- */

/* Requests from before the method was timed were never counted as open. */
static bool is_counted(const struct peer *peer, int64_t picked_ms)
{
    return picked_ms >= peer->group->timed_since_ms && peer->open_count > 0;
}

void pick_time_begin(struct peer *peer, int64_t picked_ms)
{
    peer->open_count++;
    peer->open_since_ms += picked_ms;
}

static void close_one(struct peer *peer, int64_t picked_ms)
{
    if (!is_counted(peer, picked_ms))
        return;
    peer->open_count--;
    peer->open_since_ms = peer->open_count > 0 ? peer->open_since_ms - picked_ms : 0;
}

/* An answer's time is kept by its peer, and moves what is typical of all. */
static void note_answer(struct peer *peer, struct latency *latency, int64_t us, int64_t now_ms)
{
    struct group *group = peer->group;

    latency_note(latency, us, now_ms);
    group->typical_us +=
        ((double)us - group->typical_us) / (group->typical_us > 0 ? TYPICAL_OF : 1);
}

/* A failure is no answer; but it shows at least that there was none for so long. */
static void note_failure(struct latency *latency, int64_t us, int64_t now_ms)
{
    if ((double)us > latency_now(latency, now_ms))
        latency_note(latency, us, now_ms);
}

static void note(struct peer *peer, struct latency *latency, const struct ending *ending,
                 int64_t us, int64_t now_ms)
{
    bool is_bad = ending_is_bad(ending);

    if (us > 0 || is_bad)
        badness_note(&peer->badness, is_bad, now_ms);
    if (us > 0 && !is_bad)
        note_answer(peer, latency, us, now_ms);
    else if (is_bad)
        note_failure(latency, (now_ms - ending->picked_ms) * 1000, now_ms);
}

void pick_time_head(struct peer *peer, const struct ending *ending, int64_t now_ms)
{
    if (peer->group->balance.is_whole)
        return;
    close_one(peer, ending->picked_ms);
    note(peer, &peer->head, ending, ending->head_us, now_ms);
}

/* When the head counts, pick_time_head() has seen it; what fails behind it is bad nonetheless. */
void pick_time_end(struct peer *peer, const struct ending *ending, int64_t now_ms)
{
    bool is_whole = peer->group->balance.is_whole;

    if (is_whole || ending->head_us == 0) {
        close_one(peer, ending->picked_ms);
        note(peer, is_whole ? &peer->whole : &peer->head, ending, is_whole ? ending->whole_us : 0,
             now_ms);
    } else if (ending->is_failure) {
        badness_note(&peer->badness, true, now_ms);
    }
}

/* ---- what it costs ---- */

static double waiting_us(const struct peer *peer, int64_t now_ms)
{
    int64_t since_ms;

    if (peer->open_count == 0)
        return 0;
    since_ms = peer->open_since_ms / (int64_t)peer->open_count;
    return now_ms > since_ms ? (double)(now_ms - since_ms) * 1000 : 0;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double time_us(const struct peer *peer, int64_t now_ms)
{
    const struct group *group = peer->group;
    double us = latency_now(group->balance.is_whole ? &peer->whole : &peer->head, now_ms);
    bool   is_sour = peer_is_sour(peer, now_ms);

    if (us <= 0 && peer_in_flight(peer) == 0 && !is_sour)
        return 0;
    if (us <= 0 || is_sour)
        us = larger(us, group->typical_us > 0 ? group->typical_us : 1);
    us /= WORST - badness_now(&peer->badness, now_ms);
    return group->balance.has_inflight ? larger(us, waiting_us(peer, now_ms)) : us;
}

double pick_time_cost(const struct roster *roster, const struct peer *peer, int64_t now_ms)
{
    uint64_t load = peer_load(roster, peer, now_ms) + peer_load_of_one(peer, now_ms);

    return time_us(peer, now_ms) * (double)load;
}

/* ---- the choice ---- */

/* Among equals the one that was chosen longest ago. */
static void keep_better(const struct roster *roster, struct peer *peer, int64_t now_ms,
                        struct peer **best, double *best_cost)
{
    double cost = pick_time_cost(roster, peer, now_ms);

    if (*best != NULL && (cost > *best_cost || (cost >= *best_cost && peer->turn >= (*best)->turn)))
        return;
    *best = peer;
    *best_cost = cost;
}

static struct peer *scan(const struct roster *roster, const struct pick_ask *ask)
{
    struct peer *best = NULL;
    double       cost = 0;

    for (uint32_t i = 0; i < roster->count; i++)
        if (peer_is_usable(roster->peers[i], ask))
            keep_better(roster, roster->peers[i], ask->now_ms, &best, &cost);
    return best;
}

static struct peer *sample(struct roster *roster, const struct pick_ask *ask)
{
    struct peer *best = NULL;
    double       cost = 0;

    for (unsigned found = 0, tries = 0; found < SAMPLES && tries <= PICK_TRIES; tries++) {
        struct peer *peer = roster_at(roster, random_below(roster_lots(roster)));

        if (!peer_is_usable(peer, ask))
            continue;
        keep_better(roster, peer, ask->now_ms, &best, &cost);
        found++;
    }
    return best != NULL ? best : roster_in_turn(roster, ask);
}

static struct peer *pick(struct roster *roster, const struct pick_ask *ask)
{
    struct peer *peer =
        roster->count <= ROSTER_SCANNED ? scan(roster, ask) : sample(roster, ask);

    if (peer != NULL)
        peer->turn = ++roster->turn;
    return peer;
}

const struct picker pick_time = { .name = "least_time", .pick = pick };
