// SPDX-License-Identifier: MIT
#include "cache/arrivals.h"

#include <string.h>

#include "base/must.h"

void arrivals_init(struct arrivals *arrivals)
{
    memset(arrivals, 0, sizeof(*arrivals));
    must(pthread_mutex_init(&arrivals->lock, NULL) == 0);
}

void arrivals_done(struct arrivals *arrivals)
{
    pthread_mutex_destroy(&arrivals->lock);
}

static unsigned place_of(struct cache_hash key)
{
    return (unsigned)(key.high % ARRIVALS_PLACES);
}

void arrival_begin(struct arrivals *arrivals, struct cache_hash key, struct arrival *arrival)
{
    if (arrival->is_under_way)
        return;
    arrival->is_under_way = true;
    arrival->place = place_of(key);
    pthread_mutex_lock(&arrivals->lock);
    arrival->generation = arrivals->generation;
    arrivals->counts[arrival->generation]++;
    arrivals->places[arrival->place]++;
    arrivals->begun++;
    pthread_mutex_unlock(&arrivals->lock);
}

void arrival_end(struct arrivals *arrivals, struct arrival *arrival)
{
    if (!arrival->is_under_way)
        return;
    arrival->is_under_way = false;
    pthread_mutex_lock(&arrivals->lock);
    arrivals->counts[arrival->generation]--;
    arrivals->places[arrival->place]--;
    pthread_mutex_unlock(&arrivals->lock);
}

bool arrivals_have(struct arrivals *arrivals, struct cache_hash key, uint64_t *ret_begun)
{
    bool has_some;

    pthread_mutex_lock(&arrivals->lock);
    has_some = arrivals->places[place_of(key)] > 0;
    *ret_begun = arrivals->begun;
    pthread_mutex_unlock(&arrivals->lock);
    return has_some;
}

void arrivals_turn(struct arrivals *arrivals)
{
    pthread_mutex_lock(&arrivals->lock);
    arrivals->generation ^= 1;
    must(arrivals->counts[arrivals->generation] == 0);
    pthread_mutex_unlock(&arrivals->lock);
}

bool arrivals_are_past(struct arrivals *arrivals)
{
    bool are_past;

    pthread_mutex_lock(&arrivals->lock);
    are_past = arrivals->counts[arrivals->generation ^ 1] == 0;
    pthread_mutex_unlock(&arrivals->lock);
    return are_past;
}
