// SPDX-License-Identifier: MIT
/* An upstream without a block of its own is one of a single server; whoever names the same host and port
 * shares it, whatever they speak to it. */
#include "config/pass.h"

#include "base/map.h"
#include "config/http_block.h"
#include "config/values.h"

static const struct pass_scheme *scheme_of(const struct pass_scheme *schemes, struct text url)
{
    for (; schemes->prefix != NULL; schemes++)
        if (text_has_prefix_nocase(url, text_from(schemes->prefix)))
            return schemes;
    return NULL;
}

/* The URI begins at the first "/" or "?"; of "unix:/path:/uri" behind the second colon. */
static size_t authority_len(struct text rest)
{
    if (text_has_prefix(rest, TEXT("unix:"))) {
        struct text path = text_from_offset(rest, 5);
        return 5 + text_find(path, ':');
    }
    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i] == '/' || rest.ptr[i] == '?')
            return i;
    return rest.len;
}

/* The upstream of one host and port that no block names; all proxy_pass to it share it. */
static struct upstream *upstream_implicit(struct compiler *compiler, const struct node *node,
                                          const struct upstream_server *server)
{
    struct text      key = server->host.len > 0
                               ? arena_format(compiler->arena, "%.*s:%u",
                           TEXT_ARGS(text_lower(compiler->arena, server->host)), server->port)
                               : server->name;
    struct upstream *upstream = map_get(compiler->implicit, key);

    if (upstream != NULL)
        return upstream;
    upstream = ARENA_NEW(compiler->arena, struct upstream);
    *upstream = (struct upstream){
        .name = key, .is_implicit = true, .file = node->name.file->path, .line = node->name.line,
        .keepalive = 32, .keepalive_requests = 1000, .keepalive_timeout_ms = 60 * 1000,
        .keepalive_time_ms = 3600 * 1000, .resolver_timeout_ms = RESOLVER_TIMEOUT_MS,
        .retry_percent = 20, .retry_least = 3,
    };
    upstream->servers = ARENA_NEW(compiler->arena, struct upstream_server);
    upstream->servers[0] = *server;
    upstream->server_count = 1;
    must(map_add(compiler->implicit, key, upstream));
    upstream_register(compiler, upstream);
    return upstream;
}

/* The scheme's own port is not named. */
static void host_name(struct compiler *compiler, struct text authority, bool has_port,
                      unsigned port, unsigned usual_port, struct pass *pass)
{
    if (text_has_prefix(authority, TEXT("unix:"))) {
        pass->host = TEXT("localhost");
        pass->port = TEXT("");
        return;
    }
    pass->port = arena_format(compiler->arena, "%u", port);
    if (has_port && port == usual_port)
        pass->host = text_part(authority, 0, text_find_last(authority, ':'));
}

static bool pass_to_host(struct compiler *compiler, const struct node *node, struct text authority,
                         const struct pass_scheme *scheme, struct pass *pass)
{
    struct upstream_server server;
    size_t                 colon = text_find_last(authority, ':');
    bool                   has_port = colon < authority.len && authority.ptr[authority.len - 1] != ']';
    struct upstream       *named = upstream_find(compiler, authority);

    pass->host = authority;
    pass->port = scheme->port == 0 ? TEXT("") : arena_format(compiler->arena, "%u", scheme->port);
    pass->upstream = named;
    if (named != NULL)
        return true;
    if (has_port && (named = upstream_find(compiler, text_part(authority, 0, colon))) != NULL) {
        complain(compiler, &node->args[0], "upstream \"%.*s\" may not have port %.*s",
                 TEXT_ARGS(named->name), TEXT_ARGS(text_from_offset(authority, colon + 1)));
        return false;
    }
    if (!upstream_server_parse(compiler, &node->args[0], authority, scheme->port, &server))
        return false;
    host_name(compiler, authority, has_port, server.port, scheme->port, pass);
    pass->upstream = upstream_implicit(compiler, node, &server);
    return true;
}

/* Where the location's prefix has no meaning there is nothing that a URI could replace. */
static bool may_have_uri(const struct level *level)
{
    return level->location->kind != LOCATION_REGEX && level->location->kind != LOCATION_NAMED;
}

static bool take_uri(struct compiler *compiler, const struct node *node, struct text uri,
                     struct pass *pass)
{
    if (uri.len > 0 && uri.ptr[0] == '?')   /* (nginx begins the target with it) */
        uri = arena_format(compiler->arena, "/%.*s", TEXT_ARGS(uri));
    pass->has_uri = uri.len > 0;
    pass->uri = uri;
    if (!pass->has_uri || may_have_uri(compiler->level))
        return true;
    complain(compiler, &node->args[0],
             "\"%s\" cannot have URI part in location given by regular expression, or "
             "inside named location, or inside \"if\" statement, or inside \"limit_except\" "
             "block",
             compiler->row->name);
    return false;
}

static bool pass_fill(struct compiler *compiler, const struct node *node,
                      const struct pass_scheme *scheme, bool has_uri, struct pass *pass)
{
    struct text rest = text_from_offset(pass->url, text_from(scheme->prefix).len), uri;
    size_t      len = has_uri ? authority_len(rest) : rest.len;

    uri = text_from_offset(rest, len);
    if (text_has_prefix(rest, TEXT("unix:")) && uri.len > 0)
        uri = text_from_offset(uri, 1);
    return take_uri(compiler, node, uri, pass) &&
           pass_to_host(compiler, node, text_part(rest, 0, len), scheme, pass);
}

struct pass *pass_compile(struct compiler *compiler, const struct node *node,
                          const struct pass_scheme *schemes, bool has_uri)
{
    const struct word        *word = &node->args[0];
    struct pass              *pass = ARENA_NEW(compiler->arena, struct pass);
    const struct pass_scheme *scheme = scheme_of(schemes, word->text);

    pass->place = node_place(node);
    pass->url = arena_copy(compiler->arena, word->text);
    pass->host = pass->port = pass->uri = TEXT("");
    pass->is_tls = scheme != NULL && scheme->is_tls;
    if (text_has_variables(word->text)) {
        pass->url_template = word_template(compiler, word);
        return pass;
    }
    if (scheme == NULL) {
        complain(compiler, word, "invalid URL prefix")->hint =
            TEXT("the URL begins with http:// or https://");
        return NULL;
    }
    return pass_fill(compiler, node, scheme, has_uri, pass) ? pass : NULL;
}
