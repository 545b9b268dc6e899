// SPDX-License-Identifier: MIT
/* `$name` to getter: one row per variable, and the families http_, arg_, cookie_, sent_http_,
 * upstream_http_ and so on. Pure lookup; any thread. */
#ifndef PROXY_VARIABLES_H
#define PROXY_VARIABLES_H

#include "expr/scope.h"

/* False: no such built-in variable. `*ret_variable` may point to `name`. */
bool variables_find(struct text name, struct variable *ret_variable);
/* The built-in that a misspelt name may mean, or TEXT_NONE. */
struct text variables_nearest(struct text name);
/* A `set` or `map` may define a variable of this name ($args, $limit_rate: changeable built-ins). */
bool variables_is_changeable(struct text name);
/* Assigns a changeable built-in ($args, $limit_rate) at run time. */
void variables_set(struct scope *scope, struct text name, struct text value);

#endif
