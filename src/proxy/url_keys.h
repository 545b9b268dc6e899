// SPDX-License-Identifier: MIT
/* Under which keys a configuration stores what a URL is answered with: for purging and for showing.
 *
 * Nothing is sent. For each server that the host may mean, and each of its locations with a cache, the
 * key is computed as if the request had come there: a request may reach a location by detours (error pages,
 * X-Accel-Redirect), and a key too many does no harm. What a key says of the connection
 * ($remote_addr) is unknown here. Control thread. */
#ifndef PROXY_URL_KEYS_H
#define PROXY_URL_KEYS_H

#include "cache/cache.h"
#include "proxy/snapshot.h"

struct url_question {
    struct text          url;            /* http://host[:port][/path][?query] or https:// */
    const struct fields *fields;         /* of the request; NULL: none */
    struct text          zone;           /* of this name only; empty: all */
    bool                 is_prefix;      /* all that begins so */
};

struct url_key {
    struct cache              *cache;
    const struct cache_policy *policy;
    struct cache_key           key;
    bool                       is_prefix;    /* of keys: asked for, or slices have more behind it */
};

/* Each cache and key once; everything in the arena. -EINVAL: *reterr_why. */
int url_keys_find(const struct url_question *question, struct snapshot *snapshot,
                  struct arena *arena, struct url_key **ret_keys, unsigned *ret_count,
                  struct text *reterr_why) WARN_UNUSED;

#endif
