// SPDX-License-Identifier: MIT
#include "cache/key.h"

#include <xxhash.h>

struct cache_key cache_key_of(uint64_t seed, struct text text)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(text.ptr, text.len, seed);

    return (struct cache_key){ .text = text, .hash = { .low = hash.low64, .high = hash.high64 } };
}

bool cache_hash_is_equal(struct cache_hash a, struct cache_hash b)
{
    return a.low == b.low && a.high == b.high;
}

uint64_t cache_label_hash(uint64_t seed, enum cache_label kind, struct text text)
{
    return XXH3_64bits_withSeed(text.ptr, text.len, seed + (uint64_t)kind);
}
