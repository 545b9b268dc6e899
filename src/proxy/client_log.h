// SPDX-License-Identifier: MIT
/* Lines of the error log about a client that has asked nothing yet: nginx's, with client and server
 * behind them. */
#ifndef PROXY_CLIENT_LOG_H
#define PROXY_CLIENT_LOG_H

#include "base/log.h"

struct client;

/* To the error log of the default server of its address. */
void client_log(const struct client *client, enum log_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
