// SPDX-License-Identifier: MIT
/* What goes to an upstream: proxy_pass and the request. */
#include <errno.h>
#include <stddef.h>

#include "base/map.h"
#include "config/http_block.h"
#include "config/values.h"

/* ---- proxy_pass ---- */

static struct text scheme_end(struct text url)
{
    return text_from_offset(url, sizeof("http://") - 1);
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

static bool pass_to_host(struct compiler *compiler, const struct node *node, struct text authority,
                         struct pass *pass)
{
    struct upstream_server server;
    size_t                 colon = text_find_last(authority, ':');
    bool                   has_port = colon < authority.len && authority.ptr[authority.len - 1] != ']';
    struct upstream       *named = upstream_find(compiler, authority);

    pass->host = authority;
    pass->port = TEXT("80");
    pass->upstream = named;
    if (named != NULL)
        return true;
    if (has_port && (named = upstream_find(compiler, text_part(authority, 0, colon))) != NULL) {
        complain(compiler, &node->args[0], "upstream \"%.*s\" may not have port %.*s",
                 TEXT_ARGS(named->name), TEXT_ARGS(text_from_offset(authority, colon + 1)));
        return false;
    }
    if (!upstream_server_parse(compiler, &node->args[0], authority, &server))
        return false;
    if (text_has_prefix(authority, TEXT("unix:"))) {
        pass->host = TEXT("localhost");
        pass->port = TEXT("");
    } else {
        pass->port = arena_format(compiler->arena, "%u", server.port);
        /* The scheme's own port is not named. */
        if (has_port && server.port == 80)
            pass->host = text_part(authority, 0, colon);
    }
    pass->upstream = upstream_implicit(compiler, node, &server);
    return true;
}

/* Where the location's prefix has no meaning there is nothing that a URI could replace. */
static bool may_have_uri(const struct level *level)
{
    return level->location->kind != LOCATION_REGEX && level->location->kind != LOCATION_NAMED;
}

static bool pass_fill(struct compiler *compiler, const struct node *node, struct pass *pass)
{
    const struct word *word = &node->args[0];
    struct text        rest = scheme_end(pass->url);
    size_t             len = authority_len(rest);
    struct text        uri = text_from_offset(rest, len);

    if (text_has_prefix(rest, TEXT("unix:")) && uri.len > 0)
        uri = text_from_offset(uri, 1);
    if (uri.len > 0 && uri.ptr[0] == '?')   /* (nginx begins the target with it) */
        uri = arena_format(compiler->arena, "/%.*s", TEXT_ARGS(uri));
    pass->has_uri = uri.len > 0;
    pass->uri = uri;
    if (pass->has_uri && !may_have_uri(compiler->level)) {
        complain(compiler, word,
                 "\"proxy_pass\" cannot have URI part in location given by regular expression, or "
                 "inside named location, or inside \"if\" statement, or inside \"limit_except\" "
                 "block");
        return false;
    }
    return pass_to_host(compiler, node, text_part(rest, 0, len), pass);
}

static void apply_proxy_pass(struct compiler *compiler, const struct node *node, void *field)
{
    const struct word *word = &node->args[0];
    struct pass       *pass = ARENA_NEW(compiler->arena, struct pass);

    pass->place = node_place(node);
    pass->url = arena_copy(compiler->arena, word->text);
    pass->host = pass->port = pass->uri = TEXT("");
    if (text_has_variables(word->text)) {
        pass->url_template = word_template(compiler, word);
    } else if (text_has_prefix_nocase(word->text, TEXT("https://"))) {
        complain(compiler, word, "\"https://\" in \"proxy_pass\" is not supported by frontdesk yet")
            ->hint = TEXT("TLS to upstreams is missing so far");
        return;
    } else if (!text_has_prefix_nocase(word->text, TEXT("http://"))) {
        complain(compiler, word, "invalid URL prefix")->hint = TEXT("the URL begins with http://");
        return;
    } else if (!pass_fill(compiler, node, pass)) {
        return;
    }
    *(const struct pass **)field = pass;
}

/* ---- the request ---- */

static void apply_http_version(struct compiler *compiler, const struct node *node, void *field)
{
    unsigned *version = field;

    if (text_is_equal(node->args[0].text, TEXT("1.0")))
        *version = 10;
    else if (text_is_equal(node->args[0].text, TEXT("1.1")))
        *version = 11;
    else if (text_is_equal(node->args[0].text, TEXT("2")))
        complain_unsupported(compiler, &node->args[0], "proxy_http_version", node->args[0].text);
    else
        complain(compiler, &node->args[0], "invalid value \"%.*s\"", TEXT_ARGS(node->args[0].text))
            ->hint = TEXT("1.0 or 1.1");
}

static void apply_set_header(struct compiler *compiler, const struct node *node, void *field)
{
    struct set_header **end = field, *header = ARENA_NEW(compiler->arena, struct set_header);

    if (compiler->is_first)
        *end = NULL;
    if (!word_is_field_name(compiler, &node->args[0]))
        return;
    header->name = arena_copy(compiler->arena, node->args[0].text);
    header->id = field_id_of(header->name);
    header->value = word_field_template(compiler, &node->args[1]);
    while (*end != NULL)
        end = &(*end)->next;
    *end = header;
}

/* "off", or an address that may hold variables. */
static void apply_bind(struct compiler *compiler, const struct node *node, void *field)
{
    const struct word      *word = &node->args[0];
    const struct template **template = field;
    struct address          address;

    if (node->arg_count == 2) {
        if (text_is_equal(node->args[1].text, TEXT("transparent")))
            complain_unsupported(compiler, &node->args[1], "parameter", node->args[1].text);
        else
            complain_parameter(compiler, &node->args[1]);
        return;
    }
    if (text_is_equal(word->text, TEXT("off"))) {
        *template = NULL;
        return;
    }
    if (!text_has_variables(word->text) && address_parse_ip_port(word->text, &address) < 0) {
        complain(compiler, word, "invalid address \"%.*s\"", TEXT_ARGS(word->text));
        return;
    }
    *template = word_template(compiler, word);
}

static void apply_next_upstream(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = {
        { "error", NEXT_ERROR }, { "timeout", NEXT_TIMEOUT },
        { "invalid_header", NEXT_INVALID_HEADER }, { "http_500", NEXT_500 },
        { "http_502", NEXT_502 }, { "http_503", NEXT_503 }, { "http_504", NEXT_504 },
        { "http_403", NEXT_403 }, { "http_404", NEXT_404 }, { "http_429", NEXT_429 },
        { "non_idempotent", NEXT_NON_IDEMPOTENT }, { "off", NEXT_OFF },
    };
    unsigned flags = 0, value;

    for (unsigned i = 0; i < node->arg_count; i++) {
        if (!WORD_CHOICE(compiler, &node->args[i], choices, &value))
            return;
        if (flags & value)
            warn(compiler, &node->args[i], "duplicate value \"%.*s\"",
                 TEXT_ARGS(node->args[i].text));
        flags |= value;
    }
    *(unsigned *)field = flags & NEXT_OFF ? NEXT_OFF : flags;
}

/* ---- buffers ---- */

static void buffers_touched(struct compiler *compiler, const struct node *node)
{
    compiler->level->busy_place = node->name;
}

static void apply_buffer_size(struct compiler *compiler, const struct node *node, void *field)
{
    apply_buffer(compiler, node, field);
    buffers_touched(compiler, node);
}

static void apply_buffers(struct compiler *compiler, const struct node *node, void *field)
{
    struct proxy_policy *policy = &compiler->level->location->proxy;
    uint64_t             count, size;

    (void)field;
    if (value_number(node->args[0].text, 1u << 20, &count) < 0 || count == 0) {
        complain_value(compiler, &node->args[0]);
        return;
    }
    if (value_size(node->args[1].text, &size) < 0 || size == 0 || size > BUFFER_MOST) {
        complain_value(compiler, &node->args[1]);
        return;
    }
    policy->buffers_count = (uint32_t)count;
    policy->buffers_size = size;
    buffers_touched(compiler, node);
}

static void apply_busy_size(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    apply_buffer(compiler, node, &compiler->level->busy_size);
    buffers_touched(compiler, node);
}

static void apply_send_proxy_protocol(struct compiler *compiler, const struct node *node,
                                      void *field)
{
    static const struct choice choices[] = { { "off", PROXY_PROTOCOL_OFF },
                                             { "v1", PROXY_PROTOCOL_V1 },
                                             { "v2", PROXY_PROTOCOL_V2 } };
    unsigned                   value;

    if (WORD_CHOICE(compiler, &node->args[0], choices, &value))
        *(enum proxy_protocol_version *)field = (enum proxy_protocol_version)value;
}

#define PROXY(member) FIELD_LOCATION(proxy.member)

static void apply_hedge(struct compiler *compiler, const struct node *node, void *field)
{
    struct text text = node->args[0].text;
    uint32_t    ms = 0;

    if (text_is_equal(text, TEXT("p95")))
        ms = HEDGE_BY_PERCENTILE;
    else if (!text_is_equal(text, TEXT("off")) &&
             (value_msec(text, &ms) < 0 || ms == 0 || ms == HEDGE_BY_PERCENTILE)) {
        complain(compiler, &node->args[0], "invalid value \"%.*s\" in \"%s\" directive",
                 TEXT_ARGS(text), compiler->row->name)
            ->hint = TEXT("\"off\", \"p95\", or a time after which another server is asked");
        return;
    }
    *(uint32_t *)field = ms;
}

static const struct directive rows[] = {
    { "proxy_pass", IN_LOCATION, 1, 1, 0, apply_proxy_pass, PROXY(pass), "URL", "",
      "Forwards requests; a URI in the URL replaces the part that the location matched." },
    { "proxy_http_version", EVERYWHERE, 1, 1, 0, apply_http_version, PROXY(http_version),
      "1.0 | 1.1", "1.1", "Version spoken to upstreams." },
    { "proxy_method", EVERYWHERE, 1, 1, 0, apply_template, PROXY(method), "method", "",
      "Method sent instead of the client's." },
    { "proxy_set_header", EVERYWHERE, 2, 2, IS_LIST, apply_set_header, PROXY(set_headers),
      "field value", "Host $proxy_host", "Sets a field of the request; empty: not sent." },
    { "proxy_set_body", EVERYWHERE, 1, 1, 0, apply_template, PROXY(body), "value", "",
      "Body sent instead of the client's." },
    { "proxy_pass_request_headers", EVERYWHERE, 1, 1, 0, apply_flag, PROXY(is_passing_headers),
      "on | off", "on", "Forward the client's fields." },
    { "proxy_pass_request_body", EVERYWHERE, 1, 1, 0, apply_flag, PROXY(is_passing_body),
      "on | off", "on", "Forward the client's body." },
    { "proxy_request_buffering", EVERYWHERE, 1, 1, 0, apply_flag, PROXY(is_request_buffering),
      "on | off", "on", "Gather the body (or its first part) before an upstream is asked." },
    { "proxy_bind", EVERYWHERE, 1, 2, 0, apply_bind, PROXY(bind), "address[:port] | off", "",
      "Local address of connections to upstreams." },
    { "proxy_socket_keepalive", EVERYWHERE, 1, 1, 0, apply_flag, PROXY(has_socket_keepalive),
      "on | off", "off", "SO_KEEPALIVE on connections to upstreams." },
    { "proxy_send_proxy_protocol", EVERYWHERE, 1, 1, 0, apply_send_proxy_protocol,
      PROXY(proxy_protocol), "v1 | v2 | off", "off",
      "A PROXY header with the client's address begins each connection to an upstream, which then "
      "carries one request. (Not nginx's.)" },
    { "proxy_connect_timeout", EVERYWHERE, 1, 1, 0, apply_msec, PROXY(connect_timeout_ms), "time",
      "60s", "Longest time to connect; then 504 or another server." },
    { "proxy_send_timeout", EVERYWHERE, 1, 1, 0, apply_msec, PROXY(send_timeout_ms), "time", "60s",
      "Longest pause between two writes of a request." },
    { "proxy_read_timeout", EVERYWHERE, 1, 1, 0, apply_msec, PROXY(read_timeout_ms), "time", "60s",
      "Longest pause between two reads of a response; also of a tunnel." },
    { "proxy_ignore_client_abort", EVERYWHERE, 1, 1, 0, apply_flag, PROXY(is_ignoring_abort),
      "on | off", "off", "Finish the upstream's part when the client has gone." },
    { "proxy_next_upstream", EVERYWHERE, 1, ARGS_MANY, 0, apply_next_upstream,
      PROXY(next_upstream),
      "error | timeout | invalid_header | http_... | non_idempotent | off ...", "error timeout",
      "When another server is asked." },
    { "proxy_next_upstream_tries", EVERYWHERE, 1, 1, 0, apply_number, PROXY(next_tries), "number",
      "0", "Most servers that are asked; 0: no limit." },
    { "proxy_hedge", EVERYWHERE, 1, 1, 0, apply_hedge, PROXY(hedge_ms), "off | p95 | time", "off",
      "Whether and when a safe request is given to a second server at the same time." },
    { "proxy_next_upstream_timeout", EVERYWHERE, 1, 1, 0, apply_msec, PROXY(next_timeout_ms),
      "time", "0", "Time in which another server may be asked; 0: no limit." },
    { "proxy_buffering", EVERYWHERE, 1, 1, 0, apply_flag, PROXY(is_buffering), "on | off", "on",
      "Read ahead of a slow client; off: pass on what comes at once." },
    { "proxy_buffer_size", EVERYWHERE, 1, 1, 0, apply_buffer_size, PROXY(buffer_size), "size",
      "4k", "Most bytes of a response's head." },
    { "proxy_buffers", EVERYWHERE, 2, 2, 0, apply_buffers, PROXY(buffers_count), "number size",
      "8 4k", "How far a response is read ahead of its client." },
    { "proxy_busy_buffers_size", EVERYWHERE, 1, 1, 0, apply_busy_size, PROXY(busy_size), "size",
      "8k", "How much of it may be on its way to the client." },
    { "proxy_limit_rate", EVERYWHERE, 1, 1, 0, apply_size, PROXY(limit_rate), "rate", "0",
      "Bytes per second read from an upstream; 0: no limit." },
};

const struct directive_rows rows_proxy = DIRECTIVE_ROWS("Proxying: the request", rows);
