// SPDX-License-Identifier: MIT
/* http2_*: HTTP/2 towards clients, and those directives that nginx has given up. */
#include <stddef.h>

#include "config/values.h"

enum { WINDOW_MOST = 0x7fffffff, CHUNK_MOST = 16384, STREAMS_MOST = 65535 };

static void apply_streams(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t number;

    if (value_number(node->args[0].text, STREAMS_MOST, &number) < 0 || number == 0)
        complain_value(compiler, &node->args[0]);
    else
        *(uint32_t *)field = (uint32_t)number;
}

static void apply_window(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t bytes;

    if (value_size(node->args[0].text, &bytes) < 0)
        complain_value(compiler, &node->args[0]);
    else if (bytes > WINDOW_MOST)
        complain(compiler, &node->args[0], "\"%s\" directive value is too large",
                 compiler->row->name);
    else
        *(uint32_t *)field = (uint32_t)bytes;
}

/* Larger frames need the client's consent. */
static void apply_chunk_size(struct compiler *compiler, const struct node *node, void *field)
{
    uint32_t *bytes = field;

    apply_buffer32(compiler, node, bytes);
    *bytes = *bytes > CHUNK_MOST ? CHUNK_MOST : *bytes;
}

static void check_chunk_size(struct compiler *compiler, const struct node *node, void *field)
{
    uint32_t bytes = 0;

    (void)field;
    apply_chunk_size(compiler, node, &bytes);
}

/* ---- what is gone from nginx ---- */

static void warn_obsolete(struct compiler *compiler, const struct node *node, const char *instead)
{
    if (instead == NULL)
        warn(compiler, &node->name, "the \"%s\" directive is obsolete, ignored",
             compiler->row->name);
    else
        warn(compiler, &node->name,
             "the \"%s\" directive is obsolete, use the \"%s\" directive instead",
             compiler->row->name, instead);
}

static void warn_of_head(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    warn_obsolete(compiler, node, "large_client_header_buffers");
}

static void warn_of_requests(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    warn_obsolete(compiler, node, "keepalive_requests");
}

static void warn_of_idle(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    warn_obsolete(compiler, node, "keepalive_timeout");
}

static void warn_of_timeout(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    warn_obsolete(compiler, node, "client_header_timeout");
}

static void warn_only(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    warn_obsolete(compiler, node, NULL);
}

#define BOTH (IN_HTTP | IN_SERVER)
#define OBSOLETE(name, where, apply, syntax, help) \
    { name, where, 1, 1, HAS_NO_EFFECT, apply, FIELD_NONE, syntax, "", help }

static const struct directive rows[] = {
    { "http2", BOTH, 1, 1, 0, apply_flag, FIELD_SERVER(is_http2), "on | off", "off",
      "HTTP/2: offered in TLS handshakes; without TLS, clients may begin with it." },
    { "http2_max_concurrent_streams", BOTH, 1, 1, 0, apply_streams, FIELD_SERVER(h2.max_streams),
      "number", "128", "Most requests at a time of one connection." },
    { "http2_body_preread_size", BOTH, 1, 1, 0, apply_window, FIELD_SERVER(h2.window), "size",
      "64k", "How much of a request's body may come before it is wanted." },
    { "http2_chunk_size", BOTH, 1, 1, 0, apply_chunk_size, FIELD_SERVER(h2.chunk_size), "size",
      "8k", "Largest piece of a response's body; at most 16k." },
    { "http2_chunk_size", IN_LOCATION, 1, 1, HAS_NO_EFFECT, check_chunk_size, FIELD_NONE, "size",
      "", "A connection has one size: the server's." },
    { "http2_recv_buffer_size", IN_HTTP, 1, 1, 0, apply_window, FIELD_SERVER(h2.recv_buffer_size),
      "size", "256k", "How much of all bodies of one connection may be on its way to us." },
    OBSOLETE("http2_max_field_size", BOTH, warn_of_head, "size",
             "Obsolete: `large_client_header_buffers`."),
    OBSOLETE("http2_max_header_size", BOTH, warn_of_head, "size",
             "Obsolete: `large_client_header_buffers`."),
    OBSOLETE("http2_max_requests", BOTH, warn_of_requests, "number",
             "Obsolete: `keepalive_requests`."),
    OBSOLETE("http2_idle_timeout", BOTH, warn_of_idle, "time", "Obsolete: `keepalive_timeout`."),
    OBSOLETE("http2_recv_timeout", BOTH, warn_of_timeout, "time",
             "Obsolete: `client_header_timeout`."),
    OBSOLETE("http2_pool_size", BOTH, warn_only, "size", "Memory is managed otherwise."),
    OBSOLETE("http2_streams_index_size", BOTH, warn_only, "number", "Tables size themselves."),
    OBSOLETE("http2_max_concurrent_pushes", BOTH, warn_only, "number",
             "Nothing is pushed; `Link` with `rel=preload` is passed on."),
    { "http2_push", EVERYWHERE, 1, 1, IS_LIST | HAS_NO_EFFECT, warn_only, FIELD_NONE, "uri | off", "",
      "Nothing is pushed." },
    OBSOLETE("http2_push_preload", EVERYWHERE, warn_only, "on | off", "Nothing is pushed."),
};

const struct directive_rows rows_http2 = DIRECTIVE_ROWS("HTTP/2 towards clients", rows);
