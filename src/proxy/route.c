// SPDX-License-Identifier: MIT
/* Indexes of names, and the search through them in nginx's order.
 *
 * Hosts: hash maps for exact names and for both kinds of wildcards; a wildcard is looked up once
 * per dot, and only for pieces no longer than the longest key, so that a client's host of thousands
 * of dots costs nothing. Locations: per level, a sorted array of prefixes with, for each, the
 * longest other one that is a prefix of it: one binary search and a short walk find the longest
 * match, with a thousand locations as with three. Everything lives in the site's arena and never
 * changes. */
#include "proxy/route.h"

#include <stdlib.h>
#include <string.h>

struct host_regex {
    const struct regex  *regex;
    const struct server *server;
};

struct server_index {
    struct map        *exact;            /* whole names */
    struct map        *leading;          /* "*.x" and ".x" as ".x" */
    struct map        *trailing;         /* "x.*" as "x." */
    size_t             exact_most, leading_most, trailing_most;   /* longest key */
    struct host_regex *regexes;          /* in file order */
    unsigned           regex_count;
};

/* One name of a level: "location /x" and "location = /x" share it. */
struct prefix {
    struct text            name;
    const struct location *exact, *inclusive;
    int                    outer;        /* the longest proper prefix among the names, or -1 */
};

struct locations {
    struct prefix          *prefixes;    /* sorted by name */
    unsigned                prefix_count;
    const struct location **regexes;     /* in file order */
    unsigned                regex_count;
    bool                    has_slashes; /* here or below: a proxied name that ends with a slash */
};

static void index_listen(struct site *site, struct listen *listen);
static void index_level(struct arena *arena, struct location *level);

void route_prepare(struct site *site)
{
    for (struct server *server = site->servers; server != NULL; server = server->next)
        index_level(site->arena, &server->level);
    for (struct listen *listen = site->listens; listen != NULL; listen = listen->next)
        index_listen(site, listen);
}

/* ---- servers: building ---- */

static void map_undo(void *object)
{
    struct map *map = object;

    map_free(&map);
}

static struct map *arena_map(struct arena *arena)
{
    struct map *map = map_new(false);

    arena_defer(arena, map_undo, map);
    return map;
}

/* The first server of a name has it: config has warned of the others. */
static void name_add(struct map *map, size_t *most, struct text key, struct server *server)
{
    (void)map_add(map, key, server);
    if (key.len > *most)
        *most = key.len;
}

static void index_name(struct server_index *index, struct server *server, struct text name)
{
    if (text_has_prefix(name, TEXT("*."))) {
        name_add(index->leading, &index->leading_most, text_from_offset(name, 1), server);
    } else if (text_has_prefix(name, TEXT("."))) {
        name_add(index->leading, &index->leading_most, name, server);
        name_add(index->exact, &index->exact_most, text_from_offset(name, 1), server);
    } else if (text_has_suffix(name, TEXT(".*"))) {
        name_add(index->trailing, &index->trailing_most, text_part(name, 0, name.len - 1), server);
    } else {
        name_add(index->exact, &index->exact_most, name, server);
    }
}

static void index_names(struct server_index *index, struct server *server)
{
    for (const struct server_name *name = server->names; name != NULL; name = name->next)
        if (name->regex != NULL)
            index->regexes[index->regex_count++] = (struct host_regex){ name->regex, server };
        else
            index_name(index, server, name->name);
}

static bool listen_has(const struct listen *listen, const struct server *server)
{
    for (unsigned i = 0; i < listen->server_count; i++)
        if (listen->servers[i] == server)
            return true;
    return false;
}

static unsigned count_regexes(const struct listen *listen)
{
    unsigned count = 0;

    for (unsigned i = 0; i < listen->server_count; i++)
        for (const struct server_name *name = listen->servers[i]->names; name != NULL;
             name = name->next)
            count += name->regex != NULL;
    return count;
}

/* The listen's own array has the default server first; the order that counts is the file's. */
static void index_listen(struct site *site, struct listen *listen)
{
    struct server_index *index = ARENA_NEW(site->arena, struct server_index);

    index->exact = arena_map(site->arena);
    index->leading = arena_map(site->arena);
    index->trailing = arena_map(site->arena);
    index->regexes = ARENA_ARRAY(site->arena, struct host_regex, count_regexes(listen) + 1);
    for (struct server *server = site->servers; server != NULL; server = server->next)
        if (listen_has(listen, server))
            index_names(index, server);
    listen->index = index;
}

/* ---- servers: finding ---- */

static const struct server *find_leading(const struct server_index *index, struct text host)
{
    size_t at = host.len > index->leading_most ? host.len - index->leading_most : 0;

    for (; at < host.len && index->leading_most > 0; at++) {
        if (host.ptr[at] != '.')
            continue;
        const struct server *server = map_get(index->leading, text_from_offset(host, at));
        if (server != NULL)
            return server;
    }
    return NULL;
}

static const struct server *find_trailing(const struct server_index *index, struct text host)
{
    size_t len = host.len > index->trailing_most ? index->trailing_most : host.len;

    for (; len > 0; len--) {
        if (host.ptr[len - 1] != '.')
            continue;
        const struct server *server = map_get(index->trailing, text_part(host, 0, len));
        if (server != NULL)
            return server;
    }
    return NULL;
}

static const struct server *find_regex(const struct server_index *index, struct text host,
                                       struct scope *scope)
{
    for (unsigned i = 0; i < index->regex_count && host.len > 0; i++)
        if (regex_match(index->regexes[i].regex, host, scope))
            return index->regexes[i].server;
    return NULL;
}

const struct server *route_server(const struct listen *listen, struct text host,
                                  struct scope *scope)
{
    const struct server_index *index = listen->index;
    const struct server       *server = NULL;

    if (listen->server_count == 1 && index->regex_count == 0)
        return listen->servers[0];
    if (host.len <= index->exact_most)
        server = map_get(index->exact, host);
    if (server == NULL)
        server = find_leading(index, host);
    if (server == NULL)
        server = find_trailing(index, host);
    if (server == NULL)
        server = find_regex(index, host, scope);
    return server == NULL ? listen->servers[0] : server;
}

/* ---- locations: building ---- */

static bool is_static(const struct location *location)
{
    return location->kind == LOCATION_PREFIX || location->kind == LOCATION_PREFIX_FINAL
           || location->kind == LOCATION_EXACT;
}

static struct prefix prefix_of(const struct location *location)
{
    bool is_exact = location->kind == LOCATION_EXACT;

    return (struct prefix){
        .name = location->name,
        .exact = is_exact ? location : NULL,
        .inclusive = is_exact ? NULL : location,
        .outer = -1,
    };
}

static int prefix_compare(const void *a, const void *b)
{
    const struct prefix *left = a, *right = b;

    return text_compare(left->name, right->name);
}

/* Both forms of one name become one entry; of two alike one stays (config refuses those). */
static unsigned prefixes_merge(struct prefix *prefixes, unsigned count)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        struct prefix *last = kept == 0 ? NULL : &prefixes[kept - 1];
        if (last == NULL || !text_is_equal(last->name, prefixes[i].name)) {
            prefixes[kept++] = prefixes[i];
            continue;
        }
        if (last->exact == NULL)
            last->exact = prefixes[i].exact;
        if (last->inclusive == NULL)
            last->inclusive = prefixes[i].inclusive;
    }
    return kept;
}

/* In sorted order the longest prefix of a name is its predecessor or one of that one's outers. */
static void prefixes_link(struct prefix *prefixes, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        int outer = (int)i - 1;
        while (outer >= 0 && !text_has_prefix(prefixes[i].name, prefixes[outer].name))
            outer = prefixes[outer].outer;
        prefixes[i].outer = outer;
    }
}

static void count_children(const struct location *level, unsigned *ret_static, unsigned *ret_regex)
{
    *ret_static = *ret_regex = 0;
    for (const struct location *at = level->children; at != NULL; at = at->next) {
        *ret_static += is_static(at);
        *ret_regex += at->kind == LOCATION_REGEX;
    }
}

static struct locations *locations_new(struct arena *arena, const struct location *level)
{
    struct locations *index = ARENA_NEW(arena, struct locations);
    unsigned          static_count, regex_count;

    count_children(level, &static_count, &regex_count);
    index->prefixes = ARENA_ARRAY(arena, struct prefix, static_count + 1);
    index->regexes = ARENA_ARRAY(arena, const struct location *, regex_count + 1);
    for (const struct location *at = level->children; at != NULL; at = at->next) {
        if (is_static(at))
            index->prefixes[index->prefix_count++] = prefix_of(at);
        else if (at->kind == LOCATION_REGEX)
            index->regexes[index->regex_count++] = at;
    }
    qsort(index->prefixes, index->prefix_count, sizeof(*index->prefixes), prefix_compare);
    index->prefix_count = prefixes_merge(index->prefixes, index->prefix_count);
    prefixes_link(index->prefixes, index->prefix_count);
    return index;
}

static bool is_proxied(const struct location *location)
{
    return location != NULL && location->proxy.pass != NULL;
}

/* "location /" matches whatever has no slash to add. */
static bool has_slash(const struct location *location)
{
    return is_static(location) && is_proxied(location) && location->name.len > 1 &&
           text_has_suffix(location->name, TEXT("/"));
}

static void index_level(struct arena *arena, struct location *level)
{
    struct locations *index = locations_new(arena, level);

    level->index = index;
    for (struct location *child = level->children; child != NULL; child = child->next) {
        index_level(arena, child);
        index->has_slashes = index->has_slashes || has_slash(child) || child->index->has_slashes;
    }
}

/* ---- locations: finding ---- */

/* The last name that does not sort behind `path`, or -1. */
static int prefix_before(const struct locations *index, struct text path)
{
    int low = 0, high = (int)index->prefix_count - 1;

    while (low <= high) {
        int middle = (low + high) / 2;
        int order = text_compare(index->prefixes[middle].name, path);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return high;
}

/* What a level's plain names say of a path. */
struct static_match {
    const struct location *exact;        /* "= path" */
    const struct location *inclusive;    /* the longest prefix, `path` itself included */
};

static struct static_match match_static(const struct locations *index, struct text path)
{
    struct static_match match = { .exact = NULL };

    for (int at = prefix_before(index, path); at >= 0; at = index->prefixes[at].outer) {
        const struct prefix *prefix = &index->prefixes[at];
        if (!text_has_prefix(path, prefix->name))
            continue;
        if (prefix->name.len == path.len && prefix->exact != NULL)
            match.exact = prefix->exact;
        if (prefix->inclusive != NULL) {
            match.inclusive = prefix->inclusive;
            break;
        }
    }
    return match;
}

/* Looks below `level`. True: found for good (an exact name or a regular expression); false:
 * *location may have become a longer prefix, which a regular expression further out still beats. */
static bool level_find(const struct location *level, struct text path, struct scope *scope,
                       const struct location **location)
{
    const struct locations *index = level->index;
    struct static_match     match = match_static(index, path);

    if (match.exact != NULL) {
        *location = match.exact;
        return true;
    }
    if (match.inclusive != NULL) {
        *location = match.inclusive;
        if (level_find(match.inclusive, path, scope, location))
            return true;
        if (match.inclusive->kind == LOCATION_PREFIX_FINAL)
            return false;
    }
    for (unsigned i = 0; i < index->regex_count; i++)
        if (regex_match(index->regexes[i]->regex, path, scope)) {
            *location = index->regexes[i];
            (void)level_find(index->regexes[i], path, scope, location);
            return true;
        }
    return false;
}

const struct location *route_location(const struct server *server, struct text path,
                                      struct scope *scope)
{
    const struct location *location = &server->level;

    (void)level_find(&server->level, path, scope, &location);
    return location;
}

/* Order of `name` and path + "/", which nobody needs to write down for that. */
static int compare_with_slash(struct text name, struct text path)
{
    size_t shared = name.len < path.len ? name.len : path.len;
    int    order = shared == 0 ? 0 : memcmp(name.ptr, path.ptr, shared);

    if (order != 0)
        return order;
    if (name.len <= path.len)
        return -1;
    order = (unsigned char)name.ptr[path.len] - '/';
    return order != 0 ? order : (int)(name.len > path.len + 1);
}

static const struct prefix *find_with_slash(const struct locations *index, struct text path)
{
    unsigned low = 0, high = index->prefix_count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int      order = compare_with_slash(index->prefixes[middle].name, path);
        if (order == 0)
            return &index->prefixes[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool level_wants_slash(const struct location *level, struct text path)
{
    const struct locations *index = level->index;
    struct static_match     match;

    if (!index->has_slashes)
        return false;
    match = match_static(index, path);
    if (match.exact != NULL)
        return false;
    if (match.inclusive == NULL || match.inclusive->name.len != path.len) {
        const struct prefix *prefix = find_with_slash(index, path);
        if (prefix != NULL && (is_proxied(prefix->exact) || is_proxied(prefix->inclusive)))
            return true;
    }
    return match.inclusive != NULL && level_wants_slash(match.inclusive, path);
}

bool route_wants_slash(const struct server *server, struct text path)
{
    return level_wants_slash(&server->level, path);
}

const struct location *route_named(const struct server *server, struct text name)
{
    return server->named == NULL ? NULL : map_get(server->named, name);
}
