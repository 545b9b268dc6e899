// SPDX-License-Identifier: MIT
/* What the rows of different blocks call of each other. */
#ifndef CONFIG_HTTP_BLOCK_H
#define CONFIG_HTTP_BLOCK_H

#include "config/directive.h"

/* The inside of `http`; node is NULL when the file itself is one. */
void http_compile(struct compiler *compiler, const struct node *node, const struct node *nodes);

/* `listen`: a server without one gets *:80. */
void server_listen_default(struct compiler *compiler, struct server *server, const struct node *node);

/* "$name", letters, digits and underscores. */
bool variable_name_is_good(struct text text);
/* A changeable built-in that `set` assigns to ("args"). */
bool set_is_of_built_in(struct text name);

/* Where there is a grpc_pass, what proxy_* said gives way to what grpc_* did. */
void location_take_grpc(struct compiler *compiler);
/* Gives a location's health_checks to the upstream that it proxies to. */
void health_checks_finish(struct compiler *compiler);

/* The explicit upstream of that name (case ignored), or NULL. */
struct upstream *upstream_find(const struct compiler *compiler, struct text name);
/* What upstreams have not said of names is as the finished `http` level says. */
void upstreams_inherit_resolver(struct compiler *compiler, const struct location *http);
/* Adds one to the site. */
void upstream_register(struct compiler *compiler, struct upstream *upstream);
/* "host:port", "unix:/path" and so on, of an upstream's `server` or of proxy_pass. A port that is not said is
 * `port`; 0: it must be. False after a complaint. */
bool upstream_server_parse(struct compiler *compiler, const struct word *word, struct text address,
                           unsigned port, struct upstream_server *ret_server);

#endif
