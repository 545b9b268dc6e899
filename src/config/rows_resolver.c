// SPDX-License-Identifier: MIT
/* `resolver` and `resolver_timeout`. Name servers that are named themselves are looked up when the
 * configuration is gathered (nginx too). */
#include <stddef.h>
#include <string.h>

#include "config/http_block.h"
#include "config/values.h"
#include "net/dns_channel.h"

/* One `resolver` line that is being read. */
struct resolver_line {
    const struct word     *word;
    struct resolver_policy policy;
    struct address         servers[DNS_SERVERS_MOST];
};

static void complain_server(struct compiler *compiler, const struct resolver_line *line,
                            const char *what)
{
    struct text       text = line->word->text;
    struct diagnosis *diagnosis =
        complain(compiler, line->word, "%s in resolver \"%.*s\"", what, TEXT_ARGS(text));

    if (text_find(text, '=') < text.len)
        diagnosis->hint = hint_parameter(compiler, text);
}

static bool parse_port(struct text text, unsigned *ret_port)
{
    uint64_t port;

    if (value_number(text, UINT16_MAX, &port) < 0 || port == 0)
        return false;
    *ret_port = (unsigned)port;
    return true;
}

static void server_add(struct compiler *compiler, struct resolver_line *line,
                       const struct address *address, unsigned port)
{
    struct address *server;

    if (line->policy.server_count == DNS_SERVERS_MOST) {
        complain_server(compiler, line, "too many addresses");
        return;
    }
    server = &line->servers[line->policy.server_count++];
    *server = *address;
    address_set_port(server, port);
}

/* The host ends at the last colon, or behind "]". */
static size_t host_len(struct text text)
{
    if (text.len > 0 && text.ptr[0] == '[') {
        size_t end = text_find(text, ']');
        return end < text.len ? end + 1 : text.len;
    }
    return text_find(text, ':');
}

static void servers_add(struct compiler *compiler, struct resolver_line *line, struct text host,
                        unsigned port)
{
    struct config_source *source = compiler->source;
    const struct address *found;
    struct address        address;
    unsigned              count;

    if (address_parse_ip(host, port, &address) == 0) {
        server_add(compiler, line, &address, port);
        return;
    }
    if (host.ptr[0] == '[' || source->resolve(source, host, &found, &count) < 0) {
        complain_server(compiler, line, host.ptr[0] == '[' ? "invalid host" : "host not found");
        return;
    }
    for (unsigned i = 0; i < count; i++)
        server_add(compiler, line, &found[i], port);
}

static void take_server(struct compiler *compiler, struct resolver_line *line)
{
    struct text text = line->word->text, host = text_part(text, 0, host_len(text)),
                rest = text_from_offset(text, host.len);
    unsigned    port = DNS_PORT;

    if (text_find(text, '/') < text.len)
        complain_server(compiler, line, "invalid host");
    else if (rest.len > 0 && (rest.ptr[0] != ':' || !parse_port(text_from_offset(rest, 1), &port)))
        complain_server(compiler, line, "invalid port");
    else if (host.len == 0)
        complain_server(compiler, line, "no host");
    else
        servers_add(compiler, line, host, port);
}

/* ---- parameters ---- */

static bool take_valid(struct text text, uint32_t *ret_ms)
{
    uint64_t seconds;

    if (value_sec(text, &seconds) < 0)
        return false;
    *ret_ms = seconds > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)seconds * 1000;
    return true;
}

static bool take_family(struct text text, bool *ret_is_off)
{
    *ret_is_off = text_is_equal(text, TEXT("off"));
    return *ret_is_off || text_is_equal(text, TEXT("on"));
}

static bool is_parameter(struct text text, const char *name, struct text *ret_value)
{
    if (!text_has_prefix(text, text_from(name)))
        return false;
    *ret_value = text_from_offset(text, text_from(name).len);
    return true;
}

static void take_word(struct compiler *compiler, struct resolver_line *line)
{
    struct text text = line->word->text, value;
    bool        is_good = true;

    if (is_parameter(text, "valid=", &value))
        is_good = take_valid(value, &line->policy.valid_ms);
    else if (is_parameter(text, "ipv4=", &value))
        is_good = take_family(value, &line->policy.is_v4_off);
    else if (is_parameter(text, "ipv6=", &value))
        is_good = take_family(value, &line->policy.is_v6_off);
    else if (is_parameter(text, "status_zone=", &value))
        is_good = value.len > 0;
    else
        take_server(compiler, line);
    if (!is_good)
        complain(compiler, line->word, "invalid parameter: %.*s", TEXT_ARGS(text))->hint =
            hint_parameter(compiler, text);
}

static void apply_resolver(struct compiler *compiler, const struct node *node, void *field)
{
    unsigned                errors = compiler->diagnoses->errors;
    struct resolver_line    line = { .word = NULL };
    struct resolver_policy *policy;
    struct address         *servers;

    for (unsigned i = 0; i < node->arg_count; i++) {
        line.word = &node->args[i];
        take_word(compiler, &line);
    }
    if (compiler->diagnoses->errors > errors)
        return;
    if (line.policy.is_v4_off && line.policy.is_v6_off) {
        complain(compiler, &node->name, "\"ipv4\" and \"ipv6\" cannot both be \"off\"");
        return;
    }
    if (line.policy.server_count == 0) {
        complain(compiler, &node->name, "no name servers defined");
        return;
    }
    policy = ARENA_NEW(compiler->arena, struct resolver_policy);
    servers = ARENA_ARRAY(compiler->arena, struct address, line.policy.server_count);
    memcpy(servers, line.servers, line.policy.server_count * sizeof(*servers));
    *policy = line.policy;
    policy->servers = servers;
    *(const struct resolver_policy **)field = policy;
}

/* 0: as long as it takes (nginx); a name server is given up in the end all the same. */
static void apply_resolver_timeout(struct compiler *compiler, const struct node *node, void *field)
{
    uint32_t *timeout_ms = field;

    apply_msec(compiler, node, field);
    if (*timeout_ms == 0)
        *timeout_ms = UINT32_MAX;
}

void upstreams_inherit_resolver(struct compiler *compiler, const struct location *http)
{
    struct site *site = &compiler->config->site;

    for (unsigned i = 0; i < site->upstream_count; i++) {
        struct upstream *upstream = site->upstreams[i];

        /* Those of a proxy_pass go the system's way (nginx). */
        if (upstream->resolver == NULL && !upstream->is_implicit)
            upstream->resolver = http->resolver;
        if (upstream->resolver_timeout_ms == 0)
            upstream->resolver_timeout_ms = http->resolver_timeout_ms;
    }
}

#define RESOLVER_SYNTAX \
    "address ... [valid=time] [ipv4=on|off] [ipv6=on|off] [status_zone=name]"

static const struct directive rows[] = {
    { "resolver", EVERYWHERE, 1, ARGS_MANY, 0, apply_resolver, FIELD_LOCATION(resolver),
      RESOLVER_SYNTAX, "the system's: /etc/hosts and /etc/resolv.conf",
      "Name servers for names in proxy_pass with variables. `valid` replaces the times that "
      "answers "
      "hold; `status_zone` has no effect yet. See [names](names.md)." },
    { "resolver_timeout", EVERYWHERE, 1, 1, 0, apply_resolver_timeout, FIELD_LOCATION(resolver_timeout_ms),
      "time", "30s", "How long a request waits for a name; then 502. 0: as long as it takes." },
    { "resolver", IN_UPSTREAM, 1, ARGS_MANY, 0, apply_resolver, FIELD_UPSTREAM(resolver),
      RESOLVER_SYNTAX, "http's", "Name servers for the group's servers with `resolve`." },
    { "resolver_timeout", IN_UPSTREAM, 1, 1, 0, apply_resolver_timeout, FIELD_UPSTREAM(resolver_timeout_ms),
      "time", "http's", "When a question counts as failed." },
};

const struct directive_rows rows_resolver = DIRECTIVE_ROWS("Names", rows);
