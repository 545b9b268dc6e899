// SPDX-License-Identifier: MIT
#include "proxy/cache_key.h"

#include "base/writer.h"
#include "cache/vary.h"
#include "http/uri.h"

enum { PORT_HTTP = 80 };

static void write_authority(const struct exchange *x, struct writer *writer)
{
    writer_text(writer, x->host);
    if (x->request->port > 0 && x->request->port != PORT_HTTP && x->has_asked_host) {
        writer_char(writer, ':');
        writer_u64(writer, (uint64_t)x->request->port);
    }
}

struct text cache_key_origin(const struct exchange *x)
{
    struct writer writer = writer_arena(x->arena, x->host.len + 16);

    writer_string(&writer, "http://");
    write_authority(x, &writer);
    return writer_done(&writer);
}

static struct text default_key(const struct exchange *x, struct text target)
{
    struct writer writer = writer_arena(x->arena, x->host.len + target.len + 16);

    writer_string(&writer, "http://");
    write_authority(x, &writer);
    writer_text(&writer, target);
    return writer_done(&writer);
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

static struct text variant_of(struct variant_ask *ask, struct text vary)
{
    struct caching *caching = container_of(ask, struct caching, ask);

    struct text     variant;

    if (!vary_variant(vary, &caching->x->request->fields, caching->x->arena, &variant))
        return TEXT_NONE;
    caching->variant = variant;
    return variant;
}

void cache_key_set(struct caching *caching)
{
    caching->key = cache_key(caching->cache, cache_key_text(caching->x));
    caching->ask.variant = variant_of;
}
