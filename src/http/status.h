// SPDX-License-Identifier: MIT
/* Status codes and their reason phrases, in nginx's words where it has its own. */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

#include <stdbool.h>

#include "base/text.h"

/* "Not Found"; empty for an unregistered code. */
struct text status_reason(unsigned status);
/* 1xx, 204 and 304 have no content (RFC 9110 6.4.1). */
bool        status_has_content(unsigned status);

#endif
