// SPDX-License-Identifier: MIT
/* `listen`. One struct listen per address in the whole site; the servers on it in file order, the
 * default one first. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/map.h"
#include "config/http_block.h"
#include "config/values.h"

enum { DEFAULT_PORT = 80, PORT_MOST = 65535 };

/* What is spoken on an address: for all servers there. */
enum protocol_option { OPTION_PROXY = 1u << 0, OPTION_SSL = 1u << 1, OPTION_HTTP2 = 1u << 2 };

/* An address while its lines are read. */
struct listen_draft {
    struct listen listen;
    unsigned      protocols;             /* of the last line but the first one's */
    bool          has_protocols;         /* there was one */
    bool          has_changed;           /* one was not as what there was before it */
};

/* One `listen` line, at one of the addresses that it means. */
struct listen_line {
    const struct word    *word;
    struct address        address;
    const struct address *named;         /* what a name stands for, without port; NULL: no name */
    unsigned              named_count, port;
    struct listen_options options;
    bool                  has_options;   /* of the socket */
    bool                  is_default;
    unsigned              protocols;     /* enum protocol_option */
    bool                  is_bad;
};

/* ---- the address ---- */

static bool parse_port(struct text text, unsigned *ret_port)
{
    uint64_t port;

    if (value_number(text, PORT_MOST, &port) < 0 || port == 0)
        return false;
    *ret_port = (unsigned)port;
    return true;
}

static bool is_number(struct text text)
{
    uint64_t number;

    return text_to_u64(text, &number) != -EINVAL;
}

/* A name stands for all its addresses, as they are when the configuration is gathered. */
static bool parse_host(struct compiler *compiler, struct listen_line *line, struct text host)
{
    struct config_source *source = compiler->source;

    if (host.len == 0 || text_is_equal(host, TEXT("*"))) {
        line->address = address_any_v4(line->port);
        return true;
    }
    if (address_parse_ip(host, line->port, &line->address) == 0)
        return true;
    return host.ptr[0] != '[' &&
           source->resolve(source, host, &line->named, &line->named_count) == 0;
}

static void complain_listen(struct compiler *compiler, struct listen_line *line, const char *what)
{
    complain(compiler, line->word, "%s in \"%.*s\" of the \"listen\" directive", what,
             TEXT_ARGS(line->word->text));
    line->is_bad = true;
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

static void parse_address(struct compiler *compiler, struct listen_line *line)
{
    struct text text = line->word->text, host, rest;

    line->port = DEFAULT_PORT;
    if (text_has_prefix(text, TEXT("unix:"))) {
        text = text_from_offset(text, 5);
        if (text.len == 0 || address_parse_unix(text, &line->address) < 0)
            complain_listen(compiler, line,
                            text.len == 0 ? "no path in the unix domain socket" : "too long path");
        return;
    }
    if (is_number(text)) {
        if (!parse_port(text, &line->port))
            complain_listen(compiler, line, "invalid port");
        line->address = address_any_v4(line->port);
        return;
    }
    host = text_part(text, 0, host_len(text));
    rest = text_from_offset(text, host.len);
    if (rest.len > 0 && !parse_port(text_from_offset(rest, 1), &line->port))
        complain_listen(compiler, line, "invalid port");
    else if (rest.len > 0 && host.len == 0)
        complain_listen(compiler, line, "no host");
    else if (!parse_host(compiler, line, host))
        complain_listen(compiler, line, host.ptr[0] == '[' ? "invalid host" : "host not found");
}

/* ---- the parameters ---- */

static bool take(struct text *text, const char *prefix)
{
    if (!text_has_prefix(*text, text_from(prefix)))
        return false;
    *text = text_from_offset(*text, text_from(prefix).len);
    return true;
}

static void take_number(struct compiler *compiler, struct listen_line *line,
                        const struct word *word, struct text text, const char *what, int *field)
{
    uint64_t number;

    if (value_number(text, INT32_MAX, &number) < 0 || number == 0) {
        complain(compiler, word, "invalid %s \"%.*s\"", what, TEXT_ARGS(word->text));
        line->is_bad = true;
        return;
    }
    *field = (int)number;
    line->has_options = true;
}

static void take_bytes(struct compiler *compiler, struct listen_line *line, const struct word *word,
                       struct text text, const char *what, int *field)
{
    uint64_t bytes;

    if (value_size(text, &bytes) < 0 || bytes == 0 || bytes > INT32_MAX) {
        complain(compiler, word, "invalid %s \"%.*s\"", what, TEXT_ARGS(word->text));
        line->is_bad = true;
        return;
    }
    *field = (int)bytes;
    line->has_options = true;
}

/* "30m:10s:3", each part may be empty. */
static bool parse_keepalive(struct text text, struct listen_options *options)
{
    struct text idle = TEXT_NONE, interval = TEXT_NONE, count = TEXT_NONE;
    uint64_t    number;

    (void)text_split(&text, ':', &idle);
    if (!text_split(&text, ':', &interval))
        return false;
    (void)text_split(&text, ':', &count);
    if (text.len > 0 || idle.len + interval.len + count.len == 0)
        return false;
    if (idle.len > 0) {
        if (value_sec(idle, &number) < 0 || number > INT32_MAX)
            return false;
        options->keepalive_idle_s = (int)number;
    }
    if (interval.len > 0) {
        if (value_sec(interval, &number) < 0 || number > INT32_MAX)
            return false;
        options->keepalive_interval_s = (int)number;
    }
    if (count.len > 0 && (value_number(count, INT32_MAX, &number) < 0 || number == 0))
        return false;
    options->keepalive_count = count.len > 0 ? (int)number : 0;
    options->keepalive = 1;
    return true;
}

static void take_keepalive(struct compiler *compiler, struct listen_line *line,
                           const struct word *word, struct text text)
{
    line->has_options = true;
    if (text_is_equal(text, TEXT("on"))) {
        line->options.keepalive = 1;
    } else if (text_is_equal(text, TEXT("off"))) {
        line->options.keepalive = -1;
    } else if (!parse_keepalive(text, &line->options)) {
        complain(compiler, word, "invalid so_keepalive value: \"%.*s\"", TEXT_ARGS(text));
        line->is_bad = true;
    }
}

static void take_ipv6only(struct compiler *compiler, struct listen_line *line,
                          const struct word *word, struct text text)
{
    bool is_on = text_is_equal(text, TEXT("on"));

    line->has_options = true;
    if (!is_on && !text_is_equal(text, TEXT("off"))) {
        complain(compiler, word, "invalid ipv6only flags \"%.*s\"", TEXT_ARGS(text));
        line->is_bad = true;
    }
    line->options.is_ipv6_only_off = !is_on;
}

/* Parameters without value. */
static bool take_plain(struct listen_line *line, struct text text)
{
    if (text_is_equal(text, TEXT("default_server")) || text_is_equal(text, TEXT("default")))
        line->is_default = true;
    else if (text_is_equal(text, TEXT("proxy_protocol")))
        line->protocols |= OPTION_PROXY;
    else if (text_is_equal(text, TEXT("ssl")))
        line->protocols |= OPTION_SSL;
    else if (text_is_equal(text, TEXT("bind")))
        line->has_options = true;
    else if (text_is_equal(text, TEXT("reuseport")))
        line->has_options = line->options.has_reuseport = true;
    else if (text_is_equal(text, TEXT("deferred")))
        line->has_options = line->options.is_deferred = true;
    else
        return false;
    return true;
}

static void take_http2(struct compiler *compiler, struct listen_line *line, const struct word *word)
{
    line->protocols |= OPTION_HTTP2;
    warn(compiler, word,
         "the \"listen ... http2\" directive is deprecated, use the \"http2\" directive instead")
        ->hint = TEXT("http2 on;");
}

static bool is_missing(struct text text)
{
    static const char *const names[] = { "quic", "http3", "multipath" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_is_equal(text, text_from(names[i])))
            return true;
    return text_has_prefix(text, TEXT("setfib=")) || text_has_prefix(text, TEXT("accept_filter="));
}

static void take_parameter(struct compiler *compiler, struct listen_line *line,
                           const struct word *word)
{
    struct text text = word->text;

    if (take_plain(line, text))
        return;
    if (text_is_equal(text, TEXT("http2")))
        take_http2(compiler, line, word);
    else if (take(&text, "backlog="))
        take_number(compiler, line, word, text, "backlog", &line->options.backlog);
    else if (take(&text, "fastopen="))
        take_number(compiler, line, word, text, "fastopen", &line->options.fastopen);
    else if (take(&text, "rcvbuf="))
        take_bytes(compiler, line, word, text, "rcvbuf", &line->options.receive_bytes);
    else if (take(&text, "sndbuf="))
        take_bytes(compiler, line, word, text, "sndbuf", &line->options.send_bytes);
    else if (take(&text, "so_keepalive="))
        take_keepalive(compiler, line, word, text);
    else if (take(&text, "ipv6only="))
        take_ipv6only(compiler, line, word, text);
    else if (is_missing(text)) {
        complain_unsupported(compiler, word, "parameter", text);
        line->is_bad = true;
    } else {
        complain_parameter(compiler, word);
        line->is_bad = true;
    }
}

/* ---- the site's list ---- */

static struct listen *listen_of(struct compiler *compiler, const struct listen_line *line,
                                const struct node *node)
{
    struct text     key = TEXT_NONE;
    struct writer   writer = writer_arena(compiler->arena, ADDRESS_TEXT_BYTES);
    struct listen  *listen, **end = &compiler->config->site.listens;

    address_write(&writer, &line->address);
    key = writer_done(&writer);
    listen = map_get(compiler->listens, key);
    if (listen != NULL)
        return listen;
    listen = &ARENA_NEW(compiler->arena, struct listen_draft)->listen;
    listen->address = line->address;
    listen->written =
        line->word == NULL ? TEXT("80") : arena_copy(compiler->arena, line->word->text);
    listen->place = node_place(node);
    must(map_add(compiler->listens, key, listen));
    while (*end != NULL)
        end = &(*end)->next;
    *end = listen;
    return listen;
}

static bool listen_has(const struct listen *listen, const struct server *server)
{
    for (unsigned i = 0; i < listen->server_count; i++)
        if (listen->servers[i] == server)
            return true;
    return false;
}

static void listen_add_server(struct compiler *compiler, struct listen *listen,
                              struct server *server, bool is_default)
{
    unsigned count = listen->server_count;

    if ((count & (count - 1)) == 0) {
        struct server **grown =
            ARENA_ARRAY(compiler->arena, struct server *, count == 0 ? 1 : 2 * count);

        if (count > 0)
            memcpy(grown, listen->servers, count * sizeof(struct server *));
        listen->servers = grown;
    }
    if (is_default && count > 0)
        memmove(listen->servers + 1, listen->servers, count * sizeof(struct server *));
    listen->servers[is_default ? 0 : count] = server;
    listen->server_count++;
}

static unsigned protocols_of(const struct listen *listen)
{
    return (listen->has_proxy_protocol ? OPTION_PROXY : 0u) | (listen->is_ssl ? OPTION_SSL : 0u) |
           (listen->is_http2 ? OPTION_HTTP2 : 0u);
}

/* nginx's rule: a line that adds to what former ones said, or leaves something out, is warned of; but the
 * first that adds, and lines that leave out everything alike, are not. */
static bool is_redefined(const struct listen_line *line, const struct listen_draft *draft,
                         unsigned before)
{
    bool is_other = draft->has_protocols && line->protocols != draft->protocols;

    if ((line->protocols & ~before) != 0)
        return (draft->listen.has_options && !line->has_options) || draft->has_changed ||
               (before & ~line->protocols) != 0;
    if (before != line->protocols)
        return line->has_options || is_other;
    return (line->has_options && draft->has_changed) || is_other;
}

/* What any line said holds for all. The first one is not compared with anything. */
static void protocols_join(struct compiler *compiler, const struct listen_line *line,
                           struct listen *listen)
{
    struct listen_draft *draft = container_of(listen, struct listen_draft, listen);
    unsigned             before = protocols_of(listen);
    char                 address[ADDRESS_TEXT_BYTES];

    if (listen->server_count > 0) {
        if (is_redefined(line, draft, before))
            warn(compiler, line->word, "protocol options redefined for %s",
                 address_string(&listen->address, address));
        draft->has_changed = draft->has_changed || before != line->protocols;
        draft->has_protocols = true;
        draft->protocols = line->protocols;
    }
    listen->has_proxy_protocol =
        listen->has_proxy_protocol || (line->protocols & OPTION_PROXY) != 0;
    listen->is_ssl = listen->is_ssl || (line->protocols & OPTION_SSL) != 0;
    listen->is_http2 = listen->is_http2 || (line->protocols & OPTION_HTTP2) != 0;
}

static void listen_join(struct compiler *compiler, const struct listen_line *line,
                        const struct node *node)
{
    struct server *server = compiler->level->server;
    struct listen *listen = listen_of(compiler, line, node);
    char           address[ADDRESS_TEXT_BYTES];

    (void)address_string(&line->address, address);
    if (listen_has(listen, server)) {
        complain(compiler, line->word, "a duplicate listen %s", address);
        return;
    }
    if (line->is_default && listen->has_explicit_default)
        complain(compiler, line->word, "a duplicate default server for %s", address)->hint =
            arena_format(compiler->diagnoses->arena, "the other one is the server of %s:%u",
                         listen->servers[0]->place.file, listen->servers[0]->place.line);
    if (line->has_options && listen->has_options)
        complain(compiler, line->word, "duplicate listen options for %s", address);
    protocols_join(compiler, line, listen);
    if (line->has_options) {
        listen->options = line->options;
        listen->has_options = true;
        listen->place = node_place(node);
    }
    listen->has_explicit_default = listen->has_explicit_default || line->is_default;
    listen_add_server(compiler, listen, server, line->is_default);
}

static void apply_listen(struct compiler *compiler, const struct node *node, void *field)
{
    struct listen_line line = { .word = &node->args[0] };

    (void)field;
    parse_address(compiler, &line);
    for (unsigned i = 1; i < node->arg_count && !line.is_bad; i++)
        take_parameter(compiler, &line, &node->args[i]);
    if (!line.is_bad && line.named == NULL)
        listen_join(compiler, &line, node);
    for (unsigned i = 0; i < line.named_count && !line.is_bad; i++) {
        line.address = line.named[i];
        address_set_port(&line.address, line.port);
        listen_join(compiler, &line, node);
    }
}

static bool has_listen(const struct node *node)
{
    for (const struct node *at = node->children; at != NULL; at = at->next)
        if (text_is_equal(at->name.text, TEXT("listen")))
            return true;
    return false;
}

void server_listen_default(struct compiler *compiler, struct server *server,
                           const struct node *node)
{
    unsigned           port = compiler->options->is_unprivileged ? 8000 : DEFAULT_PORT;
    struct listen_line line = { .address = address_any_v4(port) };

    (void)server;
    if (!has_listen(node))
        listen_join(compiler, &line, node);
}

static const struct directive rows[] = {
    { "listen", IN_SERVER, 1, ARGS_MANY, IS_LIST, apply_listen, FIELD_NONE,
      "address[:port] | name[:port] | port | unix:path [default_server] [ssl] [http2] [proxy_protocol] [bind] [backlog=number] [rcvbuf=size] "
      "[sndbuf=size] [fastopen=number] [deferred] [reuseport] [ipv6only=on|off] "
      "[so_keepalive=on|off|idle:interval:count]",
      "*:80", "Where the server accepts connections." },
};

const struct directive_rows rows_listen = DIRECTIVE_ROWS("Listening", rows);
