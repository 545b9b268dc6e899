// SPDX-License-Identifier: MIT
/* Request methods: the registered ones that we treat by name, any other token as OTHER. */
#ifndef HTTP_METHOD_H
#define HTTP_METHOD_H

#include <stdbool.h>

#include "base/text.h"

enum method {
    METHOD_OTHER = 0, METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_DELETE,
    METHOD_CONNECT, METHOD_OPTIONS, METHOD_TRACE, METHOD_PATCH, METHOD_COUNT
};

/* Case-sensitive (RFC 9110 9.1). */
enum method method_of(struct text name);
bool        method_is_safe(enum method method);          /* RFC 9110 9.2.1 */
bool        method_is_idempotent(enum method method);    /* RFC 9110 9.2.2; OTHER is not */

#endif
