// SPDX-License-Identifier: MIT
/* What goes to an upstream: proxy_pass and the request. */
#include <errno.h>
#include <stddef.h>

#include "config/pass.h"
#include "config/proxy_values.h"
#include "config/values.h"

static void apply_proxy_pass(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct pass_scheme schemes[] = { { "http://", 80, false },
                                                  { "https://", 443, true },
                                                  { NULL, 0, false } };

    *(const struct pass **)field = pass_compile(compiler, node, schemes, true);
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
        *version = 20;
    else
        complain(compiler, &node->args[0], "invalid value \"%.*s\"", TEXT_ARGS(node->args[0].text))
            ->hint = TEXT("1.0, 1.1 or 2");
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
      "1.0 | 1.1 | 2", "1.1", "Version spoken to upstreams." },
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
    { "proxy_pass_request_trailers", EVERYWHERE, 1, 1, 0, apply_flag,
      PROXY(is_passing_request_trailers), "on | off", "off",
      "Forward the client's trailers over HTTP/1.1, too; over HTTP/2 they are. (Not nginx's.)" },
    { "proxy_pass_trailers", EVERYWHERE, 1, 1, 0, apply_flag, PROXY(is_passing_trailers),
      "on | off", "on", "Pass on an upstream's trailers, if the client takes them. (nginx: off)" },
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
