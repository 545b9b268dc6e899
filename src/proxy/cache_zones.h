// SPDX-License-Identifier: MIT
/* The caches of a configuration, found again by name over reloads. Control thread. */
#ifndef PROXY_CACHE_ZONES_H
#define PROXY_CACHE_ZONES_H

#include "proxy/site.h"

void cache_zone_bind(struct cache_zone *zone);
void cache_zone_unbind(struct cache_zone *zone);

#endif
