// SPDX-License-Identifier: MIT
/* Sets of WAYS entries by hash, one lock per stripe of sets. The least used of a full set goes, and
 * the others of the set age a little, so that what was popular once does not stay for ever. */
#include "cache/uses.h"

#include <pthread.h>

#include "base/mem.h"
#include "cache/object.h"

enum { SETS = 16 * 1024, WAYS = 4, STRIPES = 64 };

struct entry {
    uint64_t hash;                       /* 0: free */
    uint32_t count;
};

struct uses {
    pthread_mutex_t locks[STRIPES];
    struct entry    sets[SETS][WAYS];
};

struct uses *uses_new(void)
{
    struct uses *uses = mem_new(sizeof(*uses));

    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&uses->locks[i], NULL);
    return uses;
}

void uses_free(struct uses **uses)
{
    if (*uses == NULL)
        return;
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&(*uses)->locks[i]);
    MEM_FREE(uses);
}

size_t uses_bytes(const struct uses *uses)
{
    return uses == NULL ? 0 : object_allocated(sizeof(*uses));
}

/* Its entry, or the one that it takes over. */
static struct entry *place_for(struct entry *set, uint64_t hash)
{
    struct entry *least = &set[0];

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].hash == hash)
            return &set[i];
        if (set[i].count < least->count)
            least = &set[i];
    }
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].count > 0)
            set[i].count--;
    *least = (struct entry){ .hash = hash, .count = 0 };
    return least;
}

unsigned uses_count(struct uses *uses, struct cache_hash hash)
{
    unsigned         set = (unsigned)(hash.low % SETS), count;
    pthread_mutex_t *lock = &uses->locks[set % STRIPES];
    struct entry    *entry;

    pthread_mutex_lock(lock);
    entry = place_for(uses->sets[set], hash.high);
    if (entry->count < UINT32_MAX)
        entry->count++;
    count = entry->count;
    pthread_mutex_unlock(lock);
    return count;
}
