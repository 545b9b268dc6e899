// SPDX-License-Identifier: MIT
/* A cache goes on with what it holds while its name and directory stay; sizes may change. */
#include "proxy/cache_zones.h"

#include "base/hash.h"
#include "base/zone.h"
#include "cache/cache.h"

static struct cache_settings settings_of(const struct cache_zone *zone)
{
    return (struct cache_settings){ .name = zone->name,
                                    .path = zone->path,
                                    .memory = zone->memory,
                                    .object_max = zone->object_max,
                                    .max_size = zone->max_size,
                                    .min_free = zone->min_free,
                                    .inactive_ms = zone->inactive_ms };
}

static void *build(void *arg)
{
    struct cache_settings settings = settings_of(arg);

    return cache_open(&settings);
}

static void destroy(void *state)
{
    struct cache *cache = state;

    cache_close(&cache);
}

void cache_zone_bind(struct cache_zone *zone)
{
    struct cache_settings settings = settings_of(zone);

    zone->zone = zone_ref("cache", zone->name, hash_text(zone->path), build, zone, destroy);
    zone->cache = zone_state(zone->zone);
    cache_set(zone->cache, &settings);
}

void cache_zone_unbind(struct cache_zone *zone)
{
    zone_unref(&zone->zone);
}
