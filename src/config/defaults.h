// SPDX-License-Identifier: MIT
/* What is true when a configuration says nothing. */
#ifndef CONFIG_DEFAULTS_H
#define CONFIG_DEFAULTS_H

#include "config/directive.h"

/* Fills config->core and makes compiler->http. */
void defaults_set(struct compiler *compiler);
/* What grpc_* say when they say nothing. */
void defaults_set_grpc(struct compiler *compiler, struct proxy_policy *policy);
/* Behind the main level's own directives: the log of -e, if there was no error_log. */
void defaults_set_error_log(struct compiler *compiler);
/* The control socket is beside the pid file, if there was no control_socket. */
void defaults_set_control(struct compiler *compiler);

#endif
