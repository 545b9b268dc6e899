// SPDX-License-Identifier: MIT
/* Cookies: finding one in requests, rewriting attributes of Set-Cookie. Pure functions. */
#ifndef HTTP_COOKIE_H
#define HTTP_COOKIE_H

#include <stdbool.h>

#include "base/arena.h"
#include "http/fields.h"

/* The value of cookie `name` in the Cookie fields, or false. Case-sensitive. */
bool cookie_find(const struct fields *fields, struct text name, struct text *ret_value);

/* One attribute of a Set-Cookie value ("a=b; Path=/x; Secure"): its value's place, or false.
 * `name` is compared without case. */
bool cookie_attribute(struct text set_cookie, struct text name, struct text *ret_value);
/* The Set-Cookie value with attribute `name` set (value.ptr != NULL: "; Name=value", else "; Name")
 * or replaced where it stands. */
struct text cookie_with_attribute(struct arena *arena, struct text set_cookie, struct text name,
                                  struct text value);
struct text cookie_without_attribute(struct arena *arena, struct text set_cookie, struct text name);
/* Name of the cookie: what stands before the first "=". */
struct text cookie_name(struct text set_cookie);

#endif
