// SPDX-License-Identifier: MIT
/* Rosters: a group's primaries or backups as an array, for its method to choose from. */
#include "balance/group_parts.h"
#include "base/mem.h"

/* All but the ring. */
static void forget(struct roster *roster)
{
    mem_free(roster->peers);
    mem_free(roster->heap);
    mem_free(roster->sums);
    *roster = (struct roster){ .group = roster->group, .turn = roster->turn,
                               .cursor = roster->cursor, .ring = roster->ring };
}

void roster_drop(struct roster *roster)
{
    forget(roster);
    ring_free(&roster->ring);
}

static void take(struct roster *roster, struct peer *peer)
{
    uint64_t sum = roster_lots(roster) + peer->weight;

    roster->peers[roster->count] = peer;
    roster->sums[roster->count++] = sum;
    roster->weight = sum * WEIGHT_ONE;
}

void roster_arrange(struct roster *roster, struct group *group, bool is_backup, int64_t now_ms)
{
    forget(roster);
    roster->group = group;
    if (group->picker != &pick_ring)
        ring_free(&roster->ring);
    if (group->peer_count == 0)
        return;
    roster->peers = mem_new(group->peer_count * sizeof(struct peer *));
    roster->sums = mem_new(group->peer_count * sizeof(uint64_t));
    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next)
        if (peer->is_backup == is_backup)
            take(roster, peer);
    if (group->picker->arrange != NULL)
        group->picker->arrange(roster, now_ms);
}

uint64_t roster_lots(const struct roster *roster)
{
    return roster->count == 0 ? 0 : roster->sums[roster->count - 1];
}

struct peer *roster_at(const struct roster *roster, uint64_t lot)
{
    uint32_t from = 0, to = roster->count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (roster->sums[middle] > lot)
            to = middle;
        else
            from = middle + 1;
    }
    return roster->peers[from];
}

/* Long rosters: one after the other, since looking at all to find the one whose turn it is takes too
 * long; most are usable, so the next is near. */
struct peer *roster_in_turn(struct roster *roster, const struct pick_ask *ask)
{
    if (roster->count <= ROSTER_SCANNED)
        return pick_quiet.pick(roster, ask);
    for (uint32_t i = 0; i < roster->count; i++) {
        uint32_t place = (roster->cursor + i) % roster->count;

        if (peer_is_usable(roster->peers[place], ask)) {
            roster->cursor = place + 1;
            return roster->peers[place];
        }
    }
    return NULL;
}
