// SPDX-License-Identifier: MIT
/* grpc_*: a policy beside that of proxy_*, in whose place it is put where there is a grpc_pass. So both
 * may be said for a whole server, and each of its locations takes what it needs. */
#include <stddef.h>

#include "config/http_block.h"
#include "config/pass.h"
#include "config/proxy_values.h"
#include "config/values.h"

static void apply_grpc_pass(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct pass_scheme schemes[] = { { "grpc://", 0, false },
                                                  { "grpcs://", 0, true },
                                                  { "", 0, false },
                                                  { NULL, 0, false } };

    *(const struct pass **)field = pass_compile(compiler, node, schemes, false);
}

/* One directive says how much is read: what else is about buffers follows. */
static void apply_buffer_size(struct compiler *compiler, const struct node *node, void *field)
{
    struct proxy_policy *policy = &compiler->level->grpc;

    apply_buffer(compiler, node, field);
    policy->buffers_size = policy->buffer_size;
    policy->busy_size = 2 * policy->buffer_size;
}

void location_take_grpc(struct compiler *compiler)
{
    struct level       *level = compiler->level;
    struct location    *location = level->location;
    const struct node  *at = level->node->children;

    if (level->grpc.pass == NULL)
        return;
    while (location->proxy.pass != NULL && at != NULL &&
           !text_is_equal(at->name.text, TEXT("grpc_pass")))
        at = at->next;
    if (location->proxy.pass != NULL && at != NULL)
        complain(compiler, &at->name, "\"grpc_pass\" directive is duplicate")->hint =
            TEXT("there is a \"proxy_pass\" in this location");
    location->proxy = level->grpc;
}

#define GRPC(member) FIELD_LEVEL(grpc.member)

static const struct directive rows[] = {
    { "grpc_pass", IN_LOCATION, 1, 1, 0, apply_grpc_pass, GRPC(pass), "[grpc:// | grpcs://] address",
      "", "Forwards requests over HTTP/2: gRPC. The address has a port, or is a group's name." },
    { "grpc_set_header", EVERYWHERE, 2, 2, IS_LIST, apply_set_header, GRPC(set_headers),
      "field value", "", "Sets a field of the request; empty: not sent." },
    { "grpc_hide_header", EVERYWHERE, 1, 1, IS_LIST, apply_field_name, GRPC(hide_headers), "field",
      "Date, Server, X-Accel-...", "A field of the response that the client does not get." },
    { "grpc_pass_header", EVERYWHERE, 1, 1, IS_LIST, apply_field_name, GRPC(pass_headers), "field",
      "", "A hidden field that the client gets all the same." },
    { "grpc_ignore_headers", EVERYWHERE, 1, ARGS_MANY, 0, apply_ignore_headers,
      GRPC(ignore_headers), "field ...", "", "Fields of the response that have no effect on us." },
    { "grpc_intercept_errors", EVERYWHERE, 1, 1, 0, apply_flag, GRPC(is_intercepting_errors),
      "on | off", "off", "`error_page` applies to responses of 300 and more." },
    { "grpc_bind", EVERYWHERE, 1, 2, 0, apply_bind, GRPC(bind), "address[:port] | off", "",
      "Local address of connections to upstreams." },
    { "grpc_socket_keepalive", EVERYWHERE, 1, 1, 0, apply_flag, GRPC(has_socket_keepalive),
      "on | off", "off", "SO_KEEPALIVE on connections to upstreams." },
    { "grpc_connect_timeout", EVERYWHERE, 1, 1, 0, apply_msec, GRPC(connect_timeout_ms), "time",
      "60s", "Longest time to connect; then 504 or another server." },
    { "grpc_send_timeout", EVERYWHERE, 1, 1, 0, apply_msec, GRPC(send_timeout_ms), "time", "60s",
      "Longest pause between two writes of a request." },
    { "grpc_read_timeout", EVERYWHERE, 1, 1, 0, apply_msec, GRPC(read_timeout_ms), "time", "60s",
      "Longest pause between two reads of a response." },
    { "grpc_next_upstream", EVERYWHERE, 1, ARGS_MANY, 0, apply_next_upstream, GRPC(next_upstream),
      "error | timeout | invalid_header | http_... | non_idempotent | off ...", "error timeout",
      "When another server is asked." },
    { "grpc_next_upstream_tries", EVERYWHERE, 1, 1, 0, apply_number, GRPC(next_tries), "number",
      "0", "Most servers that are asked; 0: no limit." },
    { "grpc_next_upstream_timeout", EVERYWHERE, 1, 1, 0, apply_msec, GRPC(next_timeout_ms), "time",
      "0", "Time in which another server may be asked; 0: no limit." },
    { "grpc_buffer_size", EVERYWHERE, 1, 1, 0, apply_buffer_size, GRPC(buffer_size), "size", "4k",
      "Most bytes of a response's head, and how far a response is read ahead of its client." },
};

const struct directive_rows rows_grpc = DIRECTIVE_ROWS("gRPC", rows);
