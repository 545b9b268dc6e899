// SPDX-License-Identifier: MIT
/* The binary upgrade (USR2): a new binary is started beside us with our listening sockets and our keys of session tickets; whoever
 * administers us then ends the one or the other. */
#ifndef MAIN_UPGRADE_H
#define MAIN_UPGRADE_H

#include <sys/types.h>

#include "config/bundle.h"
#include "main/ticket_keys.h"

/* First thing in main(): how we were called, from where. */
void upgrade_init(char *const argv[]);
/* The new process, or -errno. `tickets` may be NULL. */
pid_t upgrade_start(const struct bundle *bundle, const struct ticket_keys *tickets);

#endif
