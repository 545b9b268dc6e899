// SPDX-License-Identifier: MIT
/* The registry: a list, since zones are few and looked up only while a configuration is loaded. A
 * zone leaves it with its last reference, so the name may be built anew with another shape while the
 * old one still serves what is left of the old configuration. */
#include "base/zone.h"

#include <string.h>

#include "base/mem.h"
#include "base/must.h"

struct zone {
    struct zone *next;
    const char  *kind;
    struct text  name;
    uint64_t     shape;
    unsigned     refs;
    void        *state;
    void       (*destroy)(void *state);
};

static struct zone *zones;

static struct zone *zone_find(const char *kind, struct text name, uint64_t shape)
{
    for (struct zone *zone = zones; zone != NULL; zone = zone->next)
        if (strcmp(zone->kind, kind) == 0 && zone->shape == shape &&
            text_is_equal(zone->name, name))
            return zone;
    return NULL;
}

struct zone *zone_ref(const char *kind, struct text name, uint64_t shape, void *(*build)(void *arg),
                      void *arg, void (*destroy)(void *state))
{
    struct zone *zone = zone_find(kind, name, shape);

    if (zone == NULL) {
        zone = mem_new(sizeof(*zone));
        zone->kind = kind;
        zone->name = text_of(mem_string(name.ptr, name.len), name.len);
        zone->shape = shape;
        zone->state = build(arg);
        zone->destroy = destroy;
        zone->next = zones;
        zones = zone;
    }
    zone->refs++;
    return zone;
}

void zone_unref(struct zone **zone)
{
    struct zone *done = *zone;

    *zone = NULL;
    if (done == NULL || --done->refs > 0)
        return;
    for (struct zone **at = &zones; *at != NULL; at = &(*at)->next)
        if (*at == done) {
            *at = done->next;
            break;
        }
    done->destroy(done->state);
    mem_free((void *)done->name.ptr);
    mem_free(done);
}

void *zone_state(const struct zone *zone)
{
    return zone->state;
}

const struct zone *zone_next(const char *kind, const struct zone *after)
{
    const struct zone *zone = after == NULL ? zones : after->next;

    while (zone != NULL && strcmp(zone->kind, kind) != 0)
        zone = zone->next;
    return zone;
}

struct text zone_name(const struct zone *zone)
{
    return zone->name;
}
