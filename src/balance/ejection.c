// SPDX-License-Identifier: MIT
/* Outlier ejection: bad answers in a row, or in an interval a share of bad ones far above that of the
 * others together. Nothing runs by itself: requests that end, and picks, look at the clock. Under
 * the group's lock. */
#include "balance/ejection.h"

#include "balance/group_parts.h"
#include "base/log.h"

enum { DOUBLED_MOST = 4 };  /* the longest ejection is 16 times the first */

struct tally {
    uint64_t answers, bad;
};

bool peer_is_ejected(const struct peer *peer, int64_t now_ms)
{
    return peer->ejected_until_ms > now_ms;
}

void ejection_configure(struct group *group, const struct ejection *ejection)
{
    group->ejection = *ejection;
    if (ejection->is_on)
        return;
    group->ejection_ends_ms = 0;
    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next)
        peer->ejected_until_ms = 0;
}

/* ---- out ---- */

/* Of the peers of its kind, down ones apart, one more may be out. */
static bool may_eject(const struct group *group, const struct peer *peer, int64_t now_ms)
{
    const struct roster *roster = peer->is_backup ? &group->backups : &group->primaries;
    unsigned             all = 0, out = 0, most;

    for (uint32_t i = 0; i < roster->count; i++) {
        all += !roster->peers[i]->is_down;
        out += !roster->peers[i]->is_down && peer_is_ejected(roster->peers[i], now_ms);
    }
    most = all * group->ejection.most / 100;
    return all > 1 && out < (most > 0 ? most : 1);
}

/* Each `base` that it behaved takes one of its former ejections off. */
static int64_t length_of_next(struct peer *peer, int64_t now_ms)
{
    int64_t  base_ms = peer->group->ejection.base_ms;
    int64_t  behaved = peer->ejected_ms == 0 ? 0 : (now_ms - peer->ejected_ms) / base_ms;
    unsigned doubled;

    /* It was out for a part of that: 2^n - 1 bases after n ejections in a row at the most. */
    behaved -= peer->ejections > 0 ? 1ll << (peer->ejections - 1) : 0;
    if (behaved > 0)
        peer->ejections -= behaved > peer->ejections ? peer->ejections : (unsigned)behaved;
    doubled = peer->ejections;
    if (peer->ejections <= DOUBLED_MOST)
        peer->ejections++;
    return base_ms << (doubled < DOUBLED_MOST ? doubled : DOUBLED_MOST);
}

/* False: too many are out, or it is itself. */
static bool eject(struct peer *peer, int64_t now_ms)
{
    struct group *group = peer->group;
    int64_t       length_ms;

    if (!peer->is_listed || peer_is_ejected(peer, now_ms) || !may_eject(group, peer, now_ms))
        return false;
    length_ms = length_of_next(peer, now_ms);
    peer->ejected_ms = now_ms;
    peer->ejected_until_ms = now_ms + length_ms;
    peer->bad_in_row = 0;
    if (group->ejection_ends_ms == 0 || peer->ejected_until_ms < group->ejection_ends_ms)
        group->ejection_ends_ms = peer->ejected_until_ms;
    return true;
}

static void eject_for_row(struct peer *peer, int64_t now_ms)
{
    unsigned row = peer->bad_in_row;

    if (eject(peer, now_ms))
        log_at(LOG_WARN, NULL,
               "server %.*s in upstream \"%.*s\" is ejected for %lld ms: %u bad answers in a row",
               TEXT_ARGS(peer->name), TEXT_ARGS(peer->group->name),
               (long long)(peer->ejected_until_ms - now_ms), row);
}

/* ---- the interval ---- */

static struct tally tally_of(const struct roster *roster)
{
    struct tally tally = { 0 };

    for (uint32_t i = 0; i < roster->count; i++) {
        tally.answers += roster->peers[i]->window_answers;
        tally.bad += roster->peers[i]->window_bad;
    }
    return tally;
}

static unsigned percent_of(uint64_t bad, uint64_t answers)
{
    return (unsigned)(bad * 100 / answers);
}

static void compare(struct peer *peer, const struct tally *all, int64_t now_ms)
{
    const struct ejection *ejection = &peer->group->ejection;
    uint64_t               others = all->answers - peer->window_answers;
    unsigned               own_percent, others_percent;

    if (peer->window_answers < ejection->requests || others < ejection->requests)
        return;
    own_percent = percent_of(peer->window_bad, peer->window_answers);
    others_percent = percent_of(all->bad - peer->window_bad, others);
    if (own_percent <= others_percent + ejection->rate || !eject(peer, now_ms))
        return;
    log_at(LOG_WARN, NULL,
           "server %.*s in upstream \"%.*s\" is ejected for %lld ms: %u%% of its answers were bad, "
           "%u%% of the others'",
           TEXT_ARGS(peer->name), TEXT_ARGS(peer->group->name),
           (long long)(peer->ejected_until_ms - now_ms), own_percent, others_percent);
}

static void window_close(struct roster *roster, int64_t now_ms)
{
    struct tally all = tally_of(roster);

    for (uint32_t i = 0; i < roster->count; i++)
        compare(roster->peers[i], &all, now_ms);
    for (uint32_t i = 0; i < roster->count; i++)
        roster->peers[i]->window_answers = roster->peers[i]->window_bad = 0;
}

static void window_look(struct group *group, int64_t now_ms)
{
    if (now_ms - group->window_ms < group->ejection.interval_ms)
        return;
    group->window_ms = now_ms;
    window_close(&group->primaries, now_ms);
    window_close(&group->backups, now_ms);
}

/* ---- back ---- */

static void let_back(struct peer *peer, int64_t now_ms)
{
    peer->ejected_until_ms = 0;
    peer->bad_in_row = 0;
    health_returned(peer, now_ms);
    log_at(LOG_NOTICE, NULL, "server %.*s in upstream \"%.*s\" is back after its ejection",
           TEXT_ARGS(peer->name), TEXT_ARGS(peer->group->name));
}

void ejection_end(struct group *group, int64_t now_ms)
{
    group->ejection_ends_ms = 0;
    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next) {
        if (peer->ejected_until_ms == 0)
            continue;
        if (!peer_is_ejected(peer, now_ms))
            let_back(peer, now_ms);
        else if (group->ejection_ends_ms == 0 || peer->ejected_until_ms < group->ejection_ends_ms)
            group->ejection_ends_ms = peer->ejected_until_ms;
    }
}

/* ---- what requests tell ---- */

void ejection_note(struct peer *peer, const struct ending *ending, int64_t now_ms)
{
    const struct ejection *ejection = &peer->group->ejection;
    bool                   is_bad = ending_is_bad(ending), was_probed = peer->is_probed;

    peer->is_probed = false;
    if (!ejection->is_on || (!is_bad && ending->status == 0))   /* nobody's doing */
        return;
    peer->window_answers++;
    peer->window_bad += is_bad;
    peer->bad_in_row = is_bad ? peer->bad_in_row + 1 : 0;
    if (!is_bad && was_probed && peer->ejected_until_ms != 0)
        let_back(peer, now_ms);          /* all others have failed, and it has not */
    if (ejection->consecutive > 0 && peer->bad_in_row >= ejection->consecutive)
        eject_for_row(peer, now_ms);
    if (ejection->rate > 0)
        window_look(peer->group, now_ms);
}
