// SPDX-License-Identifier: MIT
/* What is the same: the text by which answers are found again, and its hash. Pure functions. */
#ifndef CACHE_KEY_H
#define CACHE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* XXH3-128 with the cache's secret seed. Two texts may fall together, so whoever finds by hash
 * compares the texts as well. */
struct cache_hash { uint64_t low, high; };

struct cache_key {
    struct text       text;              /* borrowed */
    struct cache_hash hash;
};

struct cache_key cache_key_of(uint64_t seed, struct text text);
bool             cache_hash_is_equal(struct cache_hash a, struct cache_hash b);
/* What a purge names: a tag, a host, a whole key. The kinds never fall together. */
enum cache_label { LABEL_KEY = 1, LABEL_HOST, LABEL_TAG, LABEL_GROUP,
                   LABEL_PATH /* of a No-Vary-Search */ };
uint64_t cache_label_hash(uint64_t seed, enum cache_label kind, struct text text);

#endif
