// SPDX-License-Identifier: MIT
/* Direct mapped: a newer path may push out an older one. Most caches have none, and ask one atomic. */
#include "cache/queries.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"

enum { PLACES = 4096 };

struct place {
    uint64_t path;
    char    *spec;                       /* owned; NULL: free */
    size_t   len;
};

struct queries {
    atomic_uint     count;
    pthread_mutex_t lock;                /* of what follows */
    struct place    places[PLACES];
};

struct queries *queries_new(void)
{
    struct queries *queries = mem_new(sizeof(*queries));

    pthread_mutex_init(&queries->lock, NULL);
    return queries;
}

void queries_free(struct queries **queries)
{
    for (unsigned i = 0; i < PLACES; i++)
        mem_free((*queries)->places[i].spec);
    pthread_mutex_destroy(&(*queries)->lock);
    MEM_FREE(queries);
}

bool queries_are_any(struct queries *queries)
{
    return atomic_load_explicit(&queries->count, memory_order_relaxed) > 0;
}

struct text queries_find(struct queries *queries, uint64_t path, struct arena *arena)
{
    const struct place *place = &queries->places[path % PLACES];
    struct text         spec = TEXT_NONE;

    pthread_mutex_lock(&queries->lock);
    if (place->spec != NULL && place->path == path)
        spec = arena_copy(arena, text_of(place->spec, place->len));
    pthread_mutex_unlock(&queries->lock);
    return spec;
}

static void clear(struct queries *queries, struct place *place)
{
    if (place->spec == NULL)
        return;
    MEM_FREE(&place->spec);
    atomic_fetch_sub_explicit(&queries->count, 1, memory_order_relaxed);
}

void queries_set(struct queries *queries, uint64_t path, struct text spec)
{
    struct place *place = &queries->places[path % PLACES];

    pthread_mutex_lock(&queries->lock);
    if (spec.ptr != NULL || place->path == path)
        clear(queries, place);
    if (spec.ptr != NULL) {
        *place =
            (struct place){ .path = path, .spec = mem_string(spec.ptr, spec.len), .len = spec.len };
        atomic_fetch_add_explicit(&queries->count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&queries->lock);
}
