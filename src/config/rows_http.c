// SPDX-License-Identifier: MIT
/* `http`, and the server-wide rules of reading requests. */
#include <stddef.h>

#include "config/http_block.h"
#include "config/logs.h"
#include "config/tls_block.h"
#include "config/values.h"

/* Names that `set` makes are known before anything is compiled, since they win over $http_x. */
static void declare_sets(struct compiler *compiler, const struct node *nodes)
{
    for (; nodes != NULL; nodes = nodes->next) {
        if (text_is_equal(nodes->name.text, TEXT("set")) && nodes->arg_count == 2 &&
            variable_name_is_good(nodes->args[0].text) &&
            !set_is_of_built_in(text_from_offset(nodes->args[0].text, 1)))
            (void)variables_table_add_slot(
                &compiler->variables, text_from_offset(nodes->args[0].text, 1), &nodes->args[0]);
        declare_sets(compiler, nodes->children);
    }
}

static void declare_maps(struct compiler *compiler, const struct node *nodes)
{
    for (; nodes != NULL; nodes = nodes->next)
        if (text_is_equal(nodes->name.text, TEXT("map")) && nodes->arg_count == 2 &&
            variable_name_is_good(nodes->args[1].text))
            (void)variables_table_add_map(
                &compiler->variables, text_from_offset(nodes->args[1].text, 1), &nodes->args[1]);
}

void http_compile(struct compiler *compiler, const struct node *node, const struct node *nodes)
{
    struct site *site = &compiler->config->site;
    struct level level;

    level_enter(compiler, &level, IN_HTTP, node);
    level.server = compiler->http;
    level.location = &compiler->http->level;
    level.location->error_log = compiler->config->core.error_log;
    compiler->tls->http = nodes;
    declare_maps(compiler, nodes);
    declare_sets(compiler, nodes);
    logs_begin(compiler, level.location);
    block_compile(compiler, nodes);
    logs_end(compiler);
    upstreams_inherit_resolver(compiler, level.location);
    site->defaults = compiler->http->level;
    level_leave(compiler);
}

static void apply_http(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    http_compile(compiler, node, node->children);
}

static void apply_large_buffers(struct compiler *compiler, const struct node *node, void *field)
{
    struct server *server = compiler->level->server;
    uint64_t       count, size;

    (void)field;
    if (value_number(node->args[0].text, 1024, &count) < 0 || count == 0) {
        complain_value(compiler, &node->args[0]);
        return;
    }
    if (value_size(node->args[1].text, &size) < 0 || size == 0 || size > BUFFER_MOST) {
        complain_value(compiler, &node->args[1]);
        return;
    }
    server->large_count = (uint32_t)count;
    server->large_size = (uint32_t)size;
}

static const struct directive rows[] = {
    { "http", IN_MAIN, 0, 0, IS_BLOCK | IS_CHILD, apply_http, FIELD_NONE, "{ ... }", "",
      "Servers and what they share. May be left out: a file whose top level has servers, upstreams "
      "or maps is the inside of one." },
    { "client_header_timeout", IN_HTTP | IN_SERVER, 1, 1, 0, apply_msec,
      FIELD_SERVER(head_timeout_ms), "time", "60s",
      "Time for the whole head of a request; then 408." },
    { "client_header_buffer_size", IN_HTTP | IN_SERVER, 1, 1, 0, apply_buffer32,
      FIELD_SERVER(head_buffer), "size", "1k", "First buffer of a request's head." },
    { "large_client_header_buffers", IN_HTTP | IN_SERVER, 2, 2, 0, apply_large_buffers,
      FIELD_SERVER(large_count), "number size", "4 8k",
      "Most of a request's head: a line longer than one buffer is answered 414 or 431." },
    { "max_headers", IN_HTTP | IN_SERVER, 1, 1, 0, apply_number, FIELD_SERVER(max_headers),
      "number", "1000", "Most fields of a request." },
    { "ignore_invalid_headers", IN_HTTP | IN_SERVER, 1, 1, 0, apply_flag,
      FIELD_SERVER(is_ignoring_invalid), "on | off", "on",
      "Fields with unusual characters in their names are not forwarded." },
    { "underscores_in_headers", IN_HTTP | IN_SERVER, 1, 1, 0, apply_flag,
      FIELD_SERVER(has_underscores), "on | off", "off",
      "Underscores in names of fields are usual characters." },
    { "merge_slashes", IN_HTTP | IN_SERVER, 1, 1, 0, apply_flag, FIELD_SERVER(may_merge_slashes),
      "on | off", "on", "Two or more slashes in a path count as one when locations are matched." },
};

const struct directive_rows rows_http = DIRECTIVE_ROWS("HTTP", rows);
