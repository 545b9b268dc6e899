// SPDX-License-Identifier: MIT
/* Direct mapped: a newer path may push out an older one. Most caches have none, and ask one atomic. */
#include "cache/queries.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "cache/object.h"

enum { PLACES = 4096 };

struct place {
    uint64_t path;
    char    *spec;                       /* owned; NULL: free */
    size_t   len;
};

struct queries {
    atomic_uint     count;
    pthread_mutex_t lock;                /* of what follows */
    struct place   *places;              /* PLACES; NULL: nothing was set so far */
    size_t          bytes;               /* of the specs */
};

struct queries *queries_new(void)
{
    struct queries *queries = mem_new(sizeof(*queries));

    pthread_mutex_init(&queries->lock, NULL);
    return queries;
}

void queries_free(struct queries **queries)
{
    for (unsigned i = 0; (*queries)->places != NULL && i < PLACES; i++)
        mem_free((*queries)->places[i].spec);
    mem_free((*queries)->places);
    pthread_mutex_destroy(&(*queries)->lock);
    MEM_FREE(queries);
}

size_t queries_bytes(struct queries *queries)
{
    size_t bytes = object_allocated(sizeof(*queries));

    pthread_mutex_lock(&queries->lock);
    if (queries->places != NULL)
        bytes += object_allocated(PLACES * sizeof(struct place)) + queries->bytes;
    pthread_mutex_unlock(&queries->lock);
    return bytes;
}

bool queries_are_any(struct queries *queries)
{
    return atomic_load_explicit(&queries->count, memory_order_relaxed) > 0;
}

struct text queries_find(struct queries *queries, uint64_t path, struct arena *arena)
{
    const struct place *place;
    struct text         spec = TEXT_NONE;

    pthread_mutex_lock(&queries->lock);
    place = queries->places == NULL ? NULL : &queries->places[path % PLACES];
    if (place != NULL && place->spec != NULL && place->path == path)
        spec = arena_copy(arena, text_of(place->spec, place->len));
    pthread_mutex_unlock(&queries->lock);
    return spec;
}

static void clear(struct queries *queries, struct place *place)
{
    if (place->spec == NULL)
        return;
    queries->bytes -= object_allocated(place->len);
    MEM_FREE(&place->spec);
    atomic_fetch_sub_explicit(&queries->count, 1, memory_order_relaxed);
}

static void set(struct queries *queries, uint64_t path, struct text spec)
{
    struct place *place = &queries->places[path % PLACES];

    if (spec.ptr != NULL || place->path == path)
        clear(queries, place);
    if (spec.ptr == NULL)
        return;
    *place =
        (struct place){ .path = path, .spec = mem_string(spec.ptr, spec.len), .len = spec.len };
    queries->bytes += object_allocated(spec.len);
    atomic_fetch_add_explicit(&queries->count, 1, memory_order_relaxed);
}

void queries_set(struct queries *queries, uint64_t path, struct text spec)
{
    pthread_mutex_lock(&queries->lock);
    if (queries->places == NULL && spec.ptr != NULL)
        queries->places = mem_new(PLACES * sizeof(struct place));
    if (queries->places != NULL)
        set(queries, path, spec);
    pthread_mutex_unlock(&queries->lock);
}
