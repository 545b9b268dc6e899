// SPDX-License-Identifier: MIT
/* The method table: one row per registered method that is treated by name. Lookup is by length
 * first, so that a GET costs one comparison. Pure functions, any thread. */
#include "http/method.h"

struct method_row {
    const char *name;
    uint8_t     len;
    bool        is_safe, is_idempotent;
};

static const struct method_row rows[METHOD_COUNT] = {
    [METHOD_OTHER]   = { "", 0, false, false },
    [METHOD_GET]     = { "GET", 3, true, true },
    [METHOD_HEAD]    = { "HEAD", 4, true, true },
    [METHOD_POST]    = { "POST", 4, false, false },
    [METHOD_PUT]     = { "PUT", 3, false, true },
    [METHOD_DELETE]  = { "DELETE", 6, false, true },
    [METHOD_CONNECT] = { "CONNECT", 7, false, false },
    [METHOD_OPTIONS] = { "OPTIONS", 7, true, true },
    [METHOD_TRACE]   = { "TRACE", 5, true, true },
    [METHOD_PATCH]   = { "PATCH", 5, false, false },
};

enum method method_of(struct text name)
{
    for (int i = METHOD_GET; i < METHOD_COUNT; i++)
        if (rows[i].len == name.len && text_is_equal(name, text_of(rows[i].name, rows[i].len)))
            return (enum method)i;
    return METHOD_OTHER;
}

bool method_is_safe(enum method method)
{
    must(method < METHOD_COUNT);
    return rows[method].is_safe;
}

bool method_is_idempotent(enum method method)
{
    must(method < METHOD_COUNT);
    return rows[method].is_idempotent;
}
