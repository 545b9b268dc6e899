// SPDX-License-Identifier: MIT
/* Which server and which location a request belongs to, in nginx's order. Indexes are built once per
 * snapshot; lookups allocate nothing and run on any loop. */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "proxy/site.h"

/* Builds the indexes of all listens, servers and locations, in the site's arena. Control thread. */
void route_prepare(struct site *site);

/* The server for a host (lower case, no port; may be empty): exact, longest "*.x", longest "x.*",
 * first regular expression, default. Captures go to `scope` (may be NULL). */
const struct server *route_server(const struct listen *listen, struct text host,
                                  struct scope *scope);

/* The location for a normalised path, or &server->level when none matches. */
const struct location *route_location(const struct server *server, struct text path,
                                      struct scope *scope);
/* A prefix location ending in "/" with proxy_pass whose name is path + "/": the request is
 * redirected there (nginx's 301). */
bool route_wants_slash(const struct server *server, struct text path);
/* "@name"; NULL: there is none. */
const struct location *route_named(const struct server *server, struct text name);

#endif
