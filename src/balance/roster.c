// SPDX-License-Identifier: MIT
/* Rosters: a group's primaries or backups as an array, for its method to choose from. */
#include "balance/group_parts.h"
#include "base/mem.h"

void roster_drop(struct roster *roster)
{
    mem_free(roster->peers);
    mem_free(roster->heap);
    *roster = (struct roster){ .group = roster->group, .turn = roster->turn };
}

void roster_arrange(struct roster *roster, struct group *group, bool is_backup, int64_t now_ms)
{
    roster_drop(roster);
    roster->group = group;
    if (group->peer_count == 0)
        return;
    roster->peers = mem_new(group->peer_count * sizeof(struct peer *));
    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next)
        if (peer->is_backup == is_backup) {
            roster->peers[roster->count++] = peer;
            roster->weight += (uint64_t)peer->weight * WEIGHT_ONE;
        }
    if (group->picker->arrange != NULL)
        group->picker->arrange(roster, now_ms);
}
