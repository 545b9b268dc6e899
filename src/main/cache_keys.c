// SPDX-License-Identifier: MIT
/* A URL is taken through the configuration in force; a key is what it is in each cache. */
#include "main/cache_keys.h"

#include "cache/cache.h"

struct cache *cache_keys_next_cache(const struct cache_wish *wish, const struct cache *after)
{
    struct cache *cache = cache_next(after);

    while (cache != NULL && wish->zone.len > 0 && !text_is_equal(cache_name(cache), wish->zone))
        cache = cache_next(cache);
    return cache;
}

bool cache_keys_have_cache(struct control_request *request, const struct cache_wish *wish)
{
    enum { TYPOS_MOST = 2 };

    if (cache_keys_next_cache(wish, NULL) != NULL)
        return true;
    for (struct cache *cache = cache_next(NULL); cache != NULL; cache = cache_next(cache))
        if (text_distance(cache_name(cache), wish->zone, TYPOS_MOST) <= TYPOS_MOST) {
            control_fail(request, "there is no cache \"%.*s\"; did you mean \"%.*s\"?",
                         TEXT_ARGS(wish->zone), TEXT_ARGS(cache_name(cache)));
            return false;
        }
    if (cache_next(NULL) == NULL)
        control_fail(request, "the configuration has no cache (proxy_cache_path)");
    else
        control_fail(request, "there is no cache \"%.*s\"", TEXT_ARGS(wish->zone));
    return false;
}

static void keys_of_text(struct control_request *request, const struct cache_wish *wish,
                         struct url_key **ret_keys, unsigned *ret_count)
{
    struct url_key *keys = ARENA_ARRAY(request->arena, struct url_key, CACHE_KEYS_MOST);
    struct cache   *cache = NULL;
    unsigned        count = 0;

    while (count < CACHE_KEYS_MOST && (cache = cache_keys_next_cache(wish, cache)) != NULL)
        keys[count++] = (struct url_key){ .cache = cache,
                                          .key = cache_key(cache, wish->value),
                                          .is_prefix = wish->target == CACHE_KEY_PREFIX };
    *ret_keys = keys;
    *ret_count = count;
}

bool cache_keys_find(struct control_request *request, const struct cache_wish *wish,
                     const struct fields *fields, struct url_key **ret_keys, unsigned *ret_count)
{
    const struct serving     *serving = request->asked_of;
    const struct url_question question = { .url = wish->value, .fields = fields,
                                           .zone = wish->zone,
                                           .is_prefix = wish->target == CACHE_URL_PREFIX };
    struct text               why;

    if (!cache_keys_have_cache(request, wish))
        return false;
    if (wish->target == CACHE_KEY || wish->target == CACHE_KEY_PREFIX) {
        keys_of_text(request, wish, ret_keys, ret_count);
        return true;
    }
    if (url_keys_find(&question, serving->edition->snapshot, request->arena, ret_keys, ret_count,
                      &why) == 0)
        return true;
    control_fail(request, "%.*s", TEXT_ARGS(why));
    return false;
}
