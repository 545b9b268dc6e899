// SPDX-License-Identifier: MIT
/* Request targets and hosts: parse, normalise, escape. Pure functions; results live in the arena
 * that is passed or point into the input. */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/text.h"

enum { URI_ESCAPED_BYTES = 3 };

/* Splits "path?query"; the query has no "?"; has_query tells "/a?" from "/a". */
struct uri_parts { struct text path, query; bool has_query; };
struct uri_parts uri_split(struct text path_and_query);

/* The path as nginx matches locations on it: percent-decoded, "." and ".." resolved, "//" merged
 * when asked. -EINVAL: bad percent escape, %00, above the root, not starting with "/".
 * When nothing changes the result is the input itself. */
int uri_normalise(struct arena *arena, struct text path, bool may_merge_slashes,
                  struct text *ret_path) WARN_UNUSED;

/* Escapes a normalised path for a request line, as nginx does: controls, space, 0x7f and above, and
 * " # % < > ? \ ^ ` { | }. */
struct text uri_escape_path(struct arena *arena, struct text path);

/* Value of argument `name` in a query ("a=1&b=2"), raw, or false. Names compare without case, as
 * nginx's $arg_ does. */
bool uri_arg(struct text query, struct text name, struct text *ret_value);

/* RFC 3986 host [":" port]: reg-name, IPv4, "[IPv6]"; port 0-65535 or empty. No userinfo. `ret_host`
 * keeps case and brackets; ret_port is -1 when there is none. -EINVAL otherwise. */
int uri_host_parse(struct text authority, struct text *ret_host, int *ret_port) WARN_UNUSED;

/* Splits an absolute URL "scheme://authority/path"; rest may be empty. -EINVAL: no such form. */
struct uri_url { struct text scheme, authority, rest; };
int uri_url_parse(struct text url, struct uri_url *ret_url) WARN_UNUSED;

/* Every byte may stand in a request target: no control, space, DEL, fragment. */
bool uri_target_is_valid(struct text target);
/* Writes a target, with those bytes escaped that may not stand in one; returns where it ends. There
 * is room for URI_ESCAPED_BYTES for each of its bytes. */
char *uri_put_target(char *at, struct text target);

#endif
