// SPDX-License-Identifier: MIT
/* `stub_status`: nginx's page of counts. The exchange's loop. */
#ifndef PROXY_STUB_STATUS_H
#define PROXY_STUB_STATUS_H

#include "proxy/exchange.h"

enum turn stub_status_answer(struct exchange *x);

#endif
