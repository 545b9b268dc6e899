// SPDX-License-Identifier: MIT
/* Which caches and keys a wish is about, for the commands that act on them. Control thread. */
#ifndef MAIN_CACHE_KEYS_H
#define MAIN_CACHE_KEYS_H

#include "main/cache_words.h"
#include "main/control_commands.h"
#include "proxy/url_keys.h"

enum { CACHE_KEYS_MOST = 256 };

/* Of a URL or a key, by whole or prefix; in the request's arena. False: the request was failed, with
 * the reason. `fields`: of the request that is meant; may be NULL. */
bool cache_keys_find(struct control_request *request, const struct cache_wish *wish,
                     const struct fields *fields, struct url_key **ret_keys, unsigned *ret_count);

/* The next cache of the wish's zone, or of any; NULL: no more. Start with NULL. */
struct cache *cache_keys_next_cache(const struct cache_wish *wish, const struct cache *after);
/* False: there is none, and the request was failed for that. */
bool cache_keys_have_cache(struct control_request *request, const struct cache_wish *wish);

#endif
