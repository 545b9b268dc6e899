// SPDX-License-Identifier: MIT
/* Zones by name. With another key or another size a zone is another one and begins empty; with another
 * rate it goes on with what it has counted. (nginx refuses a reload that changes the key.) */
#include "limit/limit.h"

#include "base/hash.h"
#include "base/mem.h"

/* What nginx takes for a key on a 64-bit machine. */
static const size_t least_bytes[] = { [LIMIT_REQUESTS] = 128, [LIMIT_CONNS] = 64 };

static const char *const kinds[] = { [LIMIT_REQUESTS] = "limit_req", [LIMIT_CONNS] = "limit_conn" };

static void *build(void *arg)
{
    const struct limit_zone *zone = arg;

    return table_new(zone->bytes, least_bytes[zone->kind]);
}

static void destroy(void *state)
{
    struct table *table = state;

    table_free(&table);
}

void limit_zone_bind(struct limit_zone *zone)
{
    uint64_t shape = hash_text(template_source(zone->key)) ^ zone->bytes;

    zone->state = zone_ref(kinds[zone->kind], zone->name, shape, build, zone, destroy);
    zone->table = zone_state(zone->state);
}

void limit_zone_unbind(struct limit_zone *zone)
{
    zone_unref(&zone->state);
}

const struct zone *limit_zone_next(enum limit_kind kind, const struct zone *after)
{
    return zone_next(kinds[kind], after);
}
