// SPDX-License-Identifier: MIT
/* Who is on the way into a cache: fills whose serial is given, reads that have found a place on disk.
 *
 * A purge concerns what is there and what is under way. So a line in the book of purges may go when all
 * that is there was judged by it, and all who were under way before have arrived: they are counted in
 * two generations. And a purge of a key needs no line when nothing is there under it and nobody under
 * way: they are counted by key, several of which share a place. Owner: the cache. Any thread; one short
 * lock, for misses only. */
#ifndef CACHE_ARRIVALS_H
#define CACHE_ARRIVALS_H

#include <pthread.h>

#include "cache/key.h"

enum { ARRIVALS_PLACES = 1024 };

struct arrivals {
    pthread_mutex_t lock;                /* of all */
    uint64_t        begun;
    unsigned        generation;          /* 0 or 1 */
    unsigned        counts[2];           /* under way, by generation */
    unsigned        places[ARRIVALS_PLACES];
};

/* Of whoever is under way; all zero at first. */
struct arrival {
    bool     is_under_way;
    unsigned generation, place;
};

void arrivals_init(struct arrivals *arrivals);
void arrivals_done(struct arrivals *arrivals);

/* Before the serial is given, or the disk's index is asked. Once more, before the end, is nothing. */
void arrival_begin(struct arrivals *arrivals, struct cache_hash key, struct arrival *arrival);
/* What it brings is in, or will never be. Nothing, if it is not under way. */
void arrival_end(struct arrivals *arrivals, struct arrival *arrival);

/* Perhaps somebody with this key. *ret_begun: how many have begun so far. */
bool     arrivals_have(struct arrivals *arrivals, struct cache_hash key, uint64_t *ret_begun);
/* Who begins from now on is of another generation. Those of the one before the last must be past. */
void     arrivals_turn(struct arrivals *arrivals);
/* All who were under way at the last turn have ended. */
bool     arrivals_are_past(struct arrivals *arrivals);

#endif
