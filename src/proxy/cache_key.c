// SPDX-License-Identifier: MIT
#include "proxy/cache_key.h"

#include "base/writer.h"
#include "cache/query.h"
#include "cache/vary.h"
#include "http/uri.h"

static void write_authority(const struct exchange *x, struct writer *writer)
{
    writer_text(writer, x->host);
    if (x->request->port > 0 && (unsigned)x->request->port != exchange_scheme_port(x) &&
        x->has_asked_host) {
        writer_char(writer, ':');
        writer_u64(writer, (uint64_t)x->request->port);
    }
}

struct text cache_key_origin(const struct exchange *x)
{
    struct writer writer = writer_arena(x->arena, x->host.len + 16);

    writer_text(&writer, exchange_scheme(x));
    writer_string(&writer, "://");
    write_authority(x, &writer);
    return writer_done(&writer);
}

static struct text plain_key(const struct exchange *x, struct text target)
{
    struct writer writer = writer_arena(x->arena, x->host.len + target.len + 16);

    writer_text(&writer, exchange_scheme(x));
    writer_string(&writer, "://");
    write_authority(x, &writer);
    writer_text(&writer, target);
    return writer_done(&writer);
}

static uint64_t path_label(const struct exchange *x, struct text target)
{
    return cache_label(x->caching->cache, LABEL_PATH, plain_key(x, uri_split(target).path));
}

/* With the query that a No-Vary-Search makes equal for all that are equivalent. */
static struct text normal_key(const struct exchange *x, struct text target, struct text spec)
{
    struct uri_parts parts = uri_split(target);
    struct text      query;

    if (!query_normalise(spec, parts.query, x->arena, &query))
        return plain_key(x, target);
    return plain_key(x,
                     arena_format(x->arena, "%.*s?%.*s", TEXT_ARGS(parts.path), TEXT_ARGS(query)));
}

static struct text default_key(const struct exchange *x, struct text target)
{
    struct text spec = TEXT_NONE;

    if (x->caching != NULL && queries_are_any(cache_queries(x->caching->cache)))
        spec = queries_find(cache_queries(x->caching->cache), path_label(x, target), x->arena);
    return spec.ptr == NULL ? plain_key(x, target) : normal_key(x, target, spec);
}

/* After an internal redirect it is another than the client's. */
static struct text target_of(const struct exchange *x)
{
    if (!x->is_internal)
        return x->request->path;
    return arena_format(x->arena, "%.*s%s%.*s", TEXT_ARGS(x->path), x->has_query ? "?" : "",
                        TEXT_ARGS(x->query));
}

struct text cache_key_text(struct exchange *x)
{
    const struct template *key = x->location->proxy.cache.key;

    return key != NULL ? template_eval(key, &x->scope) : default_key(x, target_of(x));
}

bool cache_key_of_slices(struct exchange *x, struct text *ret_prefix)
{
    const struct text start = TEXT("bytes=");   /* of "bytes=0-1048575" */
    struct text       range = x->slice_range;

    if (x->location->proxy.cache.slice_bytes == 0)
        return false;
    x->slice_range = start;
    *ret_prefix = cache_key_text(x);
    x->slice_range = range;
    return text_has_suffix(*ret_prefix, start);
}

struct text cache_key_text_of(struct exchange *x, struct text path)
{
    struct head         *request = x->request, other = *request;
    struct uri_parts     parts = uri_split(path);
    struct exchange      was = { .path = x->path, .query = x->query, .has_query = x->has_query };
    struct text          text;

    if (x->location->proxy.cache.key == NULL)
        return default_key(x, path);
    other.path = path;
    x->request = &other;
    x->path = parts.path;
    x->query = parts.query;
    x->has_query = parts.has_query;
    text = template_eval(x->location->proxy.cache.key, &x->scope);
    x->request = request;
    x->path = was.path;
    x->query = was.query;
    x->has_query = was.has_query;
    return text;
}

static int port_of(const struct exchange *x, int port)
{
    return port < 0 ? (int)exchange_scheme_port(x) : port;
}

static bool is_own_authority(const struct exchange *x, struct text authority)
{
    struct text host;
    int         port;

    return uri_host_parse(authority, &host, &port) == 0 && text_is_equal_nocase(host, x->host) &&
           port_of(x, port) == port_of(x, x->has_asked_host ? x->request->port : -1);
}

static struct text with_root(struct exchange *x, struct text rest)
{
    if (rest.len > 0 && rest.ptr[0] == '/')
        return rest;
    return arena_format(x->arena, "/%.*s", TEXT_ARGS(rest));
}

/* "a/../b?c" behind the directory of what was asked for. */
static struct text relative(struct exchange *x, struct text reference)
{
    struct text path = uri_split(x->request->path).path;

    if (reference.ptr[0] == '?')
        return arena_format(x->arena, "%.*s%.*s", TEXT_ARGS(path), TEXT_ARGS(reference));
    return arena_format(x->arena, "%.*s%.*s",
                        TEXT_ARGS(text_part(path, 0, text_find_last(path, '/') + 1)),
                        TEXT_ARGS(reference));
}

static void drop_last_segment(struct writer *writer)
{
    while (writer->len > 0 && writer->ptr[--writer->len] != '/')
        ;
}

/* Without "." and ".." (RFC 3986 5.2.4); the query stays. */
static struct text without_dots(struct exchange *x, struct text target)
{
    struct uri_parts parts = uri_split(target);
    struct writer    writer = writer_arena(x->arena, target.len + 1);
    struct text      rest = text_from_offset(parts.path, 1), segment;
    bool             is_directory = false;

    while (text_split(&rest, '/', &segment)) {
        is_directory = text_is_equal(segment, TEXT(".")) || text_is_equal(segment, TEXT(".."));
        if (text_is_equal(segment, TEXT("..")))
            drop_last_segment(&writer);
        else if (!is_directory) {
            writer_char(&writer, '/');
            writer_text(&writer, segment);
        }
    }
    if (is_directory || writer.len == 0)
        writer_char(&writer, '/');
    if (parts.has_query)
        writer_format(&writer, "?%.*s", TEXT_ARGS(parts.query));
    return writer_done(&writer);
}

struct text cache_key_target(struct exchange *x, struct text reference)
{
    struct uri_url url;

    reference = text_part(reference, 0, text_find(reference, '#'));
    if (reference.len == 0)
        return TEXT_NONE;
    if (uri_url_parse(reference, &url) == 0) {
        if (!text_is_equal_nocase(url.scheme, exchange_scheme(x)) ||
            !is_own_authority(x, url.authority))
            return TEXT_NONE;
        reference = with_root(x, url.rest);
    } else if (text_has_prefix(reference, TEXT("//"))) {
        struct text rest = text_from_offset(reference, 2);
        size_t      end = text_find(rest, '/');

        if (!is_own_authority(x, text_part(rest, 0, end)))
            return TEXT_NONE;
        reference = with_root(x, text_from_offset(rest, end));
    } else if (reference.ptr[0] != '/') {
        reference = relative(x, reference);
    }
    return without_dots(x, reference);
}

static struct text variant_of(struct variant_ask *ask, struct text vary)
{
    struct caching *caching = container_of(ask, struct caching, ask);

    struct text     variant;

    if (!vary_variant(vary, &caching->x->request->fields, caching->x->arena, &variant))
        return TEXT_NONE;
    caching->variant = variant;
    return variant;
}

void cache_key_learn(struct caching *caching, const struct fields *answer)
{
    struct exchange *x = caching->x;
    struct queries  *queries = cache_queries(caching->cache);
    struct text      spec = query_spec(answer, x->arena);

    if (caching->policy->key != NULL || (spec.ptr == NULL && !queries_are_any(queries)))
        return;
    queries_set(queries, path_label(x, target_of(x)), spec);
    caching->key = cache_key(caching->cache, cache_key_text(x));
}

void cache_key_set(struct caching *caching)
{
    caching->key = cache_key(caching->cache, cache_key_text(caching->x));
    caching->ask.variant = variant_of;
}
