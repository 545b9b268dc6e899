// SPDX-License-Identifier: MIT
/* Snapshots: a site with routes prepared and groups tied to it, until nobody pins it. */
#include "proxy/snapshot.h"

#include "base/mem.h"
#include "balance/group.h"
#include "proxy/cache_zones.h"
#include "proxy/route.h"

struct snapshot *snapshot_new(struct site *site, void *owner, void (*release_owner)(void *owner),
                              struct loop *control)
{
    struct snapshot *snapshot = mem_new(sizeof(*snapshot));

    snapshot->site = site;
    snapshot->control = control;
    snapshot->owner = owner;
    snapshot->release_owner = release_owner;
    route_prepare(site);
    for (unsigned i = 0; i < site->upstream_count; i++)
        group_bind(site->upstreams[i], control);
    for (struct limit_zone *zone = site->limit_zones; zone != NULL; zone = zone->next)
        limit_zone_bind(zone);
    for (struct cache_zone *zone = site->cache_zones; zone != NULL; zone = zone->next)
        cache_zone_bind(zone);
    return snapshot;
}

static void snapshot_release(struct pinned *thing)
{
    struct snapshot *snapshot = container_of(thing, struct snapshot, pinned);

    for (unsigned i = 0; i < snapshot->site->upstream_count; i++)
        group_unbind(snapshot->site->upstreams[i]);
    for (struct limit_zone *zone = snapshot->site->limit_zones; zone != NULL; zone = zone->next)
        limit_zone_unbind(zone);
    for (struct cache_zone *zone = snapshot->site->cache_zones; zone != NULL; zone = zone->next)
        cache_zone_unbind(zone);
    snapshot->release_owner(snapshot->owner);
    mem_free(snapshot);
}

void snapshot_retire(struct snapshot *snapshot, struct loop *control, struct loop *const *loops,
                     unsigned loop_count)
{
    pinned_retire(&snapshot->pinned, control, loops, loop_count, snapshot_release);
}
