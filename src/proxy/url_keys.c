// SPDX-License-Identifier: MIT
/* An exchange is made up that takes no step: with a request, a server, a location, and a client that is
 * not there. */
#include "proxy/url_keys.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "http/uri.h"
#include "proxy/cache_key.h"
#include "proxy/imagined.h"
#include "proxy/route.h"
#include "proxy/steps.h"

enum { KEYS_MOST = 256, DEPTH_MOST = 32 };

struct search {
    const struct url_question *question;
    struct snapshot           *snapshot;
    struct arena              *arena;
    struct head                request;
    bool                       is_tls;
    struct url_key            *keys;
    unsigned                   count;
    bool                       has_cache;    /* some location has one */
    bool                       is_scattered; /* a prefix of URLs is none of keys */
};

static int refuse(struct text why, struct text *reterr_why)
{
    *reterr_why = why;
    return -EINVAL;
}

/* ---- the request ---- */

static int request_make(struct search *search, struct text *reterr_why)
{
    const struct url_question *question = search->question;
    struct head               *head = &search->request;
    struct uri_url             url;

    if (uri_url_parse(question->url, &url) < 0 ||
        uri_host_parse(url.authority, &head->host, &head->port) < 0 || head->host.len == 0)
        return refuse(TEXT("no URL with a host"), reterr_why);
    if (url.rest.len == 0 && question->is_prefix)
        return refuse(TEXT("a prefix needs a path: http://HOST/*"), reterr_why);
    search->is_tls = text_is_equal_nocase(url.scheme, TEXT("https"));
    head->method = METHOD_GET;
    head->method_name = TEXT("GET");
    head->version = 11;
    head->authority = url.authority;
    head->path = url.rest.len > 0 && url.rest.ptr[0] == '/'
                     ? url.rest
                     : arena_format(search->arena, "/%.*s", TEXT_ARGS(url.rest));
    if (!uri_target_is_valid(head->path))
        return refuse(TEXT("no path of a URL: escape what is no plain character (%20)"),
                      reterr_why);
    head->target = head->path;
    head->line = arena_format(search->arena, "GET %.*s HTTP/1.1", TEXT_ARGS(head->path));
    fields_init(&head->fields, search->arena, 8);
    fields_add_id(&head->fields, FIELD_HOST, url.authority);
    if (question->fields != NULL)
        FIELDS_EACH(question->fields, field)
            fields_add(&head->fields, field->name, field->value);
    return 0;
}

/* ---- the exchange ---- */

static struct exchange *imagine(struct search *search, const struct listen *listen)
{
    struct exchange *x = exchange_imagine(search->arena, search->snapshot->control,
                                          search->snapshot, listen, &search->request);

    x->is_tls = search->is_tls;
    return x;
}

/* As find_host() and find_path() of steps_request.c. */
static bool is_routed(struct search *search, struct exchange *x)
{
    struct text      host = search->request.host;
    struct uri_parts parts = uri_split(search->request.path);
    char            *lower;

    if (host.ptr[host.len - 1] == '.')
        host.len--;
    lower = arena_bytes(search->arena, host.len + 1);
    for (size_t i = 0; i < host.len; i++)
        lower[i] = text_lower_char(host.ptr[i]);
    x->host = text_of(lower, host.len);
    x->has_asked_host = true;
    x->server = route_server(x->listen, x->host, &x->scope);
    x->query = parts.query;
    x->has_query = parts.has_query;
    return uri_normalise(search->arena, parts.path, x->server->may_merge_slashes, &x->path) == 0;
}

/* `set` may make what a key is made of; a location that only returns stores nothing. */
static bool is_rewritten(struct exchange *x, const struct rewrite *rewrites)
{
    for (const struct rewrite *at = rewrites; at != NULL; at = at->next)
        if (at->kind == REWRITE_RETURN)
            return false;
    return !rewrite_run(x, rewrites);
}

/* ---- keys ---- */

static void key_add(struct search *search, const struct url_key *key)
{
    for (unsigned i = 0; i < search->count; i++)
        if (search->keys[i].cache == key->cache && search->keys[i].is_prefix == key->is_prefix &&
            text_is_equal(search->keys[i].key.text, key->key.text))
            return;
    if (search->count < KEYS_MOST)
        search->keys[search->count++] = *key;
}

/* Keys of longer paths begin with the key of this one. */
static bool is_growing(struct exchange *x)
{
    struct text more = arena_format(x->arena, "%.*sx", TEXT_ARGS(x->request->path));
    struct text shorter = cache_key_text(x), longer = cache_key_text_of(x, more);

    return longer.len > shorter.len && text_has_prefix(longer, shorter);
}

static void location_ask(struct search *search, struct exchange *x)
{
    const struct url_question *question = search->question;
    struct caching            *caching;
    struct url_key             key = { .is_prefix = question->is_prefix };
    struct text                prefix;

    x->caching = NULL;
    if (!caching_is_on(x) || !is_rewritten(x, x->location->rewrites))
        return;
    caching = caching_begin(x);
    if (caching == NULL)
        return;
    key.cache = caching->cache;
    key.policy = caching->policy;
    key.key = caching->key;
    caching_end(x);
    if (question->zone.len > 0 && !text_is_equal(question->zone, cache_name(key.cache)))
        return;
    search->has_cache = true;
    if (question->is_prefix && !is_growing(x)) {
        search->is_scattered = true;
        return;
    }
    if (!question->is_prefix && cache_key_of_slices(x, &prefix)) {
        key.key = cache_key(key.cache, prefix);
        key.is_prefix = true;
    }
    key_add(search, &key);
}

/* "@name": where error pages lead. */
static void named_ask(struct search *search, struct exchange *x)
{
    const struct map *named = x->server->named;
    struct text       name;
    size_t            cursor = 0;
    void             *location;

    while (named != NULL && map_next(named, &cursor, &name, &location)) {
        x->location = location;
        location_ask(search, x);
    }
}

/* The tree is as deep as the configuration is: bounded by its lexer, and here. */
static void locations_ask(struct search *search, struct exchange *x)
{
    const struct location *path[DEPTH_MOST] = { x->server->level.children };
    unsigned               depth = 0;

    x->location = &x->server->level;
    if (!is_rewritten(x, x->location->rewrites))
        return;
    location_ask(search, x);
    /* The one that it is for first: its captures may be part of the key. */
    x->location = route_location(x->server, x->path, &x->scope);
    location_ask(search, x);
    while (path[depth] != NULL || depth > 0) {
        const struct location *at = path[depth];

        if (at == NULL) {
            depth--;
            continue;
        }
        path[depth] = at->next;
        x->location = at;
        location_ask(search, x);
        if (at->children != NULL && depth + 1 < DEPTH_MOST)
            path[++depth] = at->children;
    }
    named_ask(search, x);
}

static bool was_asked(const struct site *site, const struct listen *until,
                      const struct server *server, struct text host)
{
    for (const struct listen *listen = site->listens; listen != until; listen = listen->next)
        if (route_server(listen, host, NULL) == server)
            return true;
    return false;
}

int url_keys_find(const struct url_question *question, struct snapshot *snapshot,
                  struct arena *arena, struct url_key **ret_keys, unsigned *ret_count,
                  struct text *reterr_why)
{
    struct search search = { .question = question, .snapshot = snapshot, .arena = arena };

    if (request_make(&search, reterr_why) < 0)
        return -EINVAL;
    search.keys = ARENA_ARRAY(arena, struct url_key, KEYS_MOST);
    for (const struct listen *listen = snapshot->site->listens; listen != NULL;
         listen = listen->next) {
        struct exchange *x = imagine(&search, listen);

        if (!is_routed(&search, x))
            return refuse(TEXT("no path that a server would take"), reterr_why);
        if (!was_asked(snapshot->site, listen, x->server, x->host))
            locations_ask(&search, x);
    }
    if (search.is_scattered)
        return refuse(TEXT("proxy_cache_key of a location does not end with the path, so URLs that "
                           "begin so have nothing in common: use --host, --tag or --key 'PREFIX*'"),
                      reterr_why);
    if (!search.has_cache)
        return refuse(TEXT("no server of the configuration caches for this host"), reterr_why);
    *ret_keys = search.keys;
    *ret_count = search.count;
    return 0;
}
