// SPDX-License-Identifier: MIT
/* `upstream` and what stands in it. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "balance/identity.h"
#include "base/map.h"
#include "config/http_block.h"
#include "config/values.h"
#include "http/uri.h"

enum { DEFAULT_PORT = 80, COUNT_MOST = 1000 * 1000 };

/* ---- the site's list ---- */

void upstream_register(struct compiler *compiler, struct upstream *upstream)
{
    struct site *site = &compiler->config->site;

    if (site->upstream_count == compiler->upstream_capacity) {
        unsigned          capacity = 2 * compiler->upstream_capacity + 8;
        struct upstream **grown = ARENA_ARRAY(compiler->arena, struct upstream *, capacity);

        if (site->upstream_count > 0)
            memcpy(grown, site->upstreams, site->upstream_count * sizeof(struct upstream *));
        site->upstreams = grown;
        compiler->upstream_capacity = capacity;
    }
    site->upstreams[site->upstream_count++] = upstream;
}

struct upstream *upstream_find(const struct compiler *compiler, struct text name)
{
    return map_get(compiler->config->site.upstream_names, name);
}

static struct upstream *upstream_new(struct compiler *compiler, const struct node *node)
{
    struct upstream *upstream = ARENA_NEW(compiler->arena, struct upstream);

    *upstream = (struct upstream){
        .name = arena_copy(compiler->arena, node->args[0].text), .file = node->name.file->path,
        .line = node->name.line, .keepalive = 32, .keepalive_requests = 1000,
        .keepalive_timeout_ms = 60 * 1000, .keepalive_time_ms = 3600 * 1000,
        .retry_percent = 20, .retry_least = 3,
    };
    return upstream;
}

static bool has_server(const struct node *node)
{
    for (const struct node *at = node->children; at != NULL; at = at->next)
        if (text_is_equal(at->name.text, TEXT("server")))
            return true;
    return false;
}

static bool has_primary(const struct upstream *upstream)
{
    for (unsigned i = 0; i < upstream->server_count; i++)
        if (!upstream->servers[i].is_backup)
            return true;
    return false;
}

static void apply_upstream(struct compiler *compiler, const struct node *node, void *field)
{
    struct upstream *upstream = upstream_new(compiler, node);
    struct level     level;

    (void)field;
    if (!map_add(compiler->config->site.upstream_names, upstream->name, upstream)) {
        struct upstream *other = upstream_find(compiler, upstream->name);

        complain(compiler, &node->args[0], "duplicate upstream \"%.*s\"", TEXT_ARGS(upstream->name))
            ->hint = arena_format(compiler->diagnoses->arena, "the other one is in %s:%u",
                                  other->file, other->line);
        return;
    }
    level_enter(compiler, &level, IN_UPSTREAM, node);
    level.upstream = upstream;
    block_compile(compiler, node->children);
    level_leave(compiler);
    if (upstream->state.len > 0 && has_server(node))
        complain(compiler, &node->name, "\"state\" and \"server\" cannot be in one upstream");
    else if (upstream->state.len == 0 && !has_server(node))
        complain(compiler, &node->name, "no servers are inside upstream");
    else if (upstream->server_count > 0 && !has_primary(upstream))
        complain(compiler, &node->name, "no servers in upstream \"%.*s\"",
                 TEXT_ARGS(upstream->name))
            ->hint = TEXT("all of them are backups");
    upstream_register(compiler, upstream);
}

/* ---- server ---- */

static bool parse_host(struct compiler *compiler, const struct word *word, struct text address,
                       unsigned usual_port, struct upstream_server *server)
{
    struct text host;
    int         port;

    if (text_find(address, '/') < address.len || uri_host_parse(address, &host, &port) < 0 ||
        host.len == 0) {
        bool has_bad_port = text_find(address, ':') < address.len && address.ptr[0] != '[' &&
                            text_find(address, '/') == address.len;
        complain(compiler, word, "%s in upstream \"%.*s\"",
                 has_bad_port       ? "invalid port"
                 : address.len == 0 ? "no host"
                                    : "invalid host",
                 TEXT_ARGS(address));
        return false;
    }
    if (port == 0 || address.ptr[address.len - 1] == ':') {
        complain(compiler, word, "invalid port in upstream \"%.*s\"", TEXT_ARGS(address));
        return false;
    }
    if (port < 0 && usual_port == 0) {
        complain(compiler, word, "no port in upstream \"%.*s\"", TEXT_ARGS(address));
        return false;
    }
    server->port = port < 0 ? usual_port : (unsigned)port;
    server->has_address = address_parse_ip(host, server->port, &server->address) == 0;
    server->host = server->has_address && host.ptr[0] != '[' ? arena_copy(compiler->arena, host)
                       : text_lower(compiler->arena, host);
    return true;
}

bool upstream_server_parse(struct compiler *compiler, const struct word *word, struct text address,
                           unsigned port, struct upstream_server *ret_server)
{
    struct upstream_server server = {
        .name = arena_copy(compiler->arena, address), .host = TEXT(""), .weight = 1, .max_fails = 1,
        .service = TEXT(""), .fail_timeout_ms = 10 * 1000,
    };

    if (text_has_prefix(address, TEXT("unix:"))) {
        struct text path = text_from_offset(address, 5);

        server.has_address = true;
        if (path.len == 0 || address_parse_unix(path, &server.address) < 0) {
            complain(compiler, word, "%s in upstream \"%.*s\"",
                     path.len == 0 ? "no path in the unix domain socket"
                                   : "too long path in the unix domain socket",
                     TEXT_ARGS(address));
            return false;
        }
    } else if (!parse_host(compiler, word, address, port, &server)) {
        return false;
    }
    *ret_server = server;
    return true;
}

/* Behind the "=". */
static void take_number(struct compiler *compiler, const struct word *word, unsigned least,
                        unsigned *field)
{
    size_t   name_len = text_find(word->text, '=');
    uint64_t number;

    if (value_number(text_from_offset(word->text, name_len + 1), COUNT_MOST, &number) == 0 &&
        number >= least)
        *field = (unsigned)number;
    else
        complain(compiler, word, "invalid parameter \"%.*s\"", TEXT_ARGS(word->text))->hint =
            arena_format(compiler->diagnoses->arena, "%.*s= takes a number from %u to %u",
                         (int)name_len, word->text.ptr, least, COUNT_MOST);
}

static bool seconds_after(struct text text, const char *prefix, uint32_t *field)
{
    uint64_t seconds;

    if (value_sec(text_from_offset(text, text_from(prefix).len), &seconds) < 0)
        return false;
    *field = seconds > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)seconds * 1000;
    return true;
}

static bool is_missing(struct text text)
{
    static const char *const names[] = { "sid=" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_has_prefix(text, text_from(names[i])))
            return true;
    return false;
}

/* What a cookie can carry. */
static bool route_after(struct text text, struct text *field)
{
    *field = text_from_offset(text, sizeof("route=") - 1);
    for (size_t i = 0; i < field->len; i++)
        if (field->ptr[i] <= ' ' || field->ptr[i] > '~' || strchr("\",;\\", field->ptr[i]) != NULL)
            return false;
    return field->len > 0 && field->len <= IDENTITY_BYTES;
}

/* nginx: refused when the method stands before the server. */
static void refuse_with_some_methods(struct compiler *compiler, const struct word *word,
                                     struct text parameter)
{
    switch (compiler->level->upstream->balance.method) {
    case BALANCE_RANDOM:
    case BALANCE_HASH:
    case BALANCE_IP_HASH:
        complain(compiler, word, "balancing method does not support parameter \"%.*s\"",
                 TEXT_ARGS(parameter));
        break;
    case BALANCE_ROUND_ROBIN:
    case BALANCE_LEAST_CONN:
    case BALANCE_LEAST_TIME:
        break;
    }
}

static bool take_backup(struct compiler *compiler, const struct word *word,
                        struct upstream_server *server)
{
    refuse_with_some_methods(compiler, word, word->text);
    server->is_backup = true;
    return true;
}

static bool take_slow_start(struct compiler *compiler, const struct word *word,
                            struct upstream_server *server)
{
    refuse_with_some_methods(compiler, word, TEXT("slow_start"));
    return seconds_after(word->text, "slow_start=", &server->slow_start_ms);
}

static void take_service(struct compiler *compiler, const struct word *word,
                         struct upstream_server *server)
{
    server->service = arena_copy(compiler->arena,
                                 text_from_offset(word->text, sizeof("service=") - 1));
    if (server->service.len == 0)
        complain(compiler, word, "empty service");
}

/* "http" is short for "_http._tcp"; what has a dot stands as it is before the server's name. */
static void service_complete(struct compiler *compiler, const struct node *node,
                             struct upstream_server *server)
{
    const struct word *word = &node->args[0];
    bool               is_whole = text_find(server->service, '.') < server->service.len;

    if (server->service.len == 0)
        return;
    if (server->has_address)
        complain(compiler, word, "service upstream \"%.*s\" requires domain name",
                 TEXT_ARGS(server->name));
    else if (!server->is_resolved)
        complain(compiler, word, "service upstream \"%.*s\" requires \"resolve\" parameter",
                 TEXT_ARGS(server->name));
    else if (text_find(server->name, ':') < server->name.len)
        complain(compiler, word, "service upstream \"%.*s\" may not have port",
                 TEXT_ARGS(server->name));
    server->service = arena_format(compiler->arena, is_whole ? "%.*s.%.*s" : "_%.*s._tcp.%.*s",
                                   TEXT_ARGS(server->service), TEXT_ARGS(server->host));
    if (server->service.len >= RESOLVER_NAME_BYTES)
        complain(compiler, word, "too long service of upstream \"%.*s\"", TEXT_ARGS(server->name));
}

static void take_parameter(struct compiler *compiler, const struct word *word,
                           struct upstream_server *server)
{
    struct text text = word->text;
    bool        is_good = true;

    if (text_has_prefix(text, TEXT("weight=")))
        take_number(compiler, word, 1, &server->weight);
    else if (text_has_prefix(text, TEXT("max_conns=")))
        take_number(compiler, word, 0, &server->max_conns);
    else if (text_has_prefix(text, TEXT("max_fails=")))
        take_number(compiler, word, 0, &server->max_fails);
    else if (text_has_prefix(text, TEXT("fail_timeout=")))
        is_good = seconds_after(text, "fail_timeout=", &server->fail_timeout_ms);
    else if (text_has_prefix(text, TEXT("slow_start=")))
        is_good = take_slow_start(compiler, word, server);
    else if (text_is_equal(text, TEXT("backup")))
        is_good = take_backup(compiler, word, server);
    else if (text_is_equal(text, TEXT("down")))
        server->is_down = true;
    else if (text_is_equal(text, TEXT("drain")))
        server->is_draining = true;
    else if (text_has_prefix(text, TEXT("route=")))
        is_good = route_after(text, &server->route);
    else if (text_is_equal(text, TEXT("resolve")))
        server->is_resolved = true;
    else if (text_has_prefix(text, TEXT("service=")))
        take_service(compiler, word, server);
    else if (is_missing(text))
        complain_unsupported(compiler, word, "parameter", text);
    else
        is_good = false;
    if (!is_good)
        complain_parameter(compiler, word);
}

static void apply_upstream_server(struct compiler *compiler, const struct node *node, void *field)
{
    struct upstream       *upstream = compiler->level->upstream;
    unsigned               count = upstream->server_count;
    struct upstream_server server;

    (void)field;
    if (!upstream_server_parse(compiler, &node->args[0], node->args[0].text, DEFAULT_PORT, &server))
        return;
    for (unsigned i = 1; i < node->arg_count; i++)
        take_parameter(compiler, &node->args[i], &server);
    service_complete(compiler, node, &server);
    if ((count & (count - 1)) == 0) {
        struct upstream_server *grown =
            ARENA_ARRAY(compiler->arena, struct upstream_server, count == 0 ? 1 : 2 * count);
        if (count > 0)
            memcpy(grown, upstream->servers, count * sizeof(*grown));
        upstream->servers = grown;
    }
    upstream->servers[upstream->server_count++] = server;
}

/* ---- state ---- */

static void state_apply(struct compiler *compiler, const struct node *nodes)
{
    for (const struct node *node = nodes; node != NULL; node = node->next)
        if (!text_is_equal(node->name.text, TEXT("server")) || node->has_block ||
            node->arg_count == 0)
            complain(compiler, &node->name, "\"%.*s\" is not allowed in a \"state\" file",
                     TEXT_ARGS(node->name.text))
                ->hint = TEXT("it holds nothing but: server address [parameter ...];");
        else
            apply_upstream_server(compiler, node, NULL);
}

/* The file may be made later. */
static void apply_state(struct compiler *compiler, const struct node *node, void *field)
{
    struct config_source *source = compiler->source;
    struct text           path, text;
    int                   error;

    if (!word_path(compiler, &node->args[0], &path))
        return;
    *(struct text *)field = path;
    error = source->read(source, path, &text);
    if (error == 0)
        state_apply(compiler,
                    tree_read_text(compiler->arena, compiler->diagnoses, source, path, text));
    else if (error != -ENOENT)
        complain(compiler, &node->args[0], "open() \"%.*s\" failed %s", TEXT_ARGS(path),
                 log_errno(-error).text);
}

/* ---- the rest ---- */

static void apply_keepalive(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t number;

    if (value_number(node->args[0].text, COUNT_MOST, &number) < 0) {
        complain(compiler, &node->args[0], "invalid value \"%.*s\" in \"%s\" directive",
                 TEXT_ARGS(node->args[0].text), compiler->row->name);
        return;
    }
    if (node->arg_count == 2 && !text_is_equal(node->args[1].text, TEXT("local"))) {
        complain_parameter(compiler, &node->args[1]);
        return;
    }
    *(uint32_t *)field = (uint32_t)number;
}

static void apply_zone(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t bytes;

    (void)field;
    if (node->arg_count == 2 && (value_size(node->args[1].text, &bytes) < 0 || bytes == 0))
        complain(compiler, &node->args[1], "invalid zone size \"%.*s\"",
                 TEXT_ARGS(node->args[1].text));
}

static const struct directive rows[] = {
    { "upstream", IN_HTTP, 1, 1, IS_BLOCK | IS_EARLY | IS_LIST, apply_upstream, FIELD_NONE,
      "name { ... }", "", "A group of servers that proxy_pass can name." },
    { "server", IN_UPSTREAM, 1, ARGS_MANY, IS_LIST, apply_upstream_server, FIELD_NONE,
      "address [weight=number] [max_conns=number] [max_fails=number] [fail_timeout=time] "
      "[slow_start=time] [backup] [down] [drain] [route=string] [resolve] "
      "[service=name]",
      "",
      "A server of the group. Names are resolved again when their time is over: with `resolve` by "
      "the `resolver`, else as the system does. `service`: by SRV records. See "
      "[names](names.md)." },
    { "keepalive", IN_UPSTREAM, 1, 2, 0, apply_keepalive, FIELD_UPSTREAM(keepalive), "number",
      "32", "Idle connections per loop that the group keeps, for all loops to use; 0: none." },
    { "keepalive_requests", IN_UPSTREAM, 1, 1, 0, apply_number,
      FIELD_UPSTREAM(keepalive_requests), "number", "1000", "Most requests of one connection." },
    { "keepalive_timeout", IN_UPSTREAM, 1, 1, 0, apply_msec, FIELD_UPSTREAM(keepalive_timeout_ms),
      "time", "60s", "How long an idle connection stays open." },
    { "keepalive_time", IN_UPSTREAM, 1, 1, 0, apply_msec, FIELD_UPSTREAM(keepalive_time_ms),
      "time", "1h", "Longest life of a connection with keep-alive." },
    { "state", IN_UPSTREAM, 1, 1, 0, apply_state, FIELD_UPSTREAM(state), "file", "",
      "The group's servers are `server` lines of that file, which may be made later. A reload reads "
      "it; nothing writes it yet." },
    { "zone", IN_UPSTREAM, 1, 2, HAS_NO_EFFECT, apply_zone, FIELD_NONE, "name [size]", "",
      "All loops share a group's state anyway." },
};

const struct directive_rows rows_upstream = DIRECTIVE_ROWS("Upstreams", rows);
