// SPDX-License-Identifier: MIT
/* The supervisor's keys of session tickets (tls/tickets.h): made at the start or taken over from the binary
 * before us, renewed by the clock, sent to every worker. They touch no disk: they live in a page that is
 * locked, is in no core file and is empty in a forked child, and travel in a sealed memfd. Owner: the
 * supervisor; one thread. */
#ifndef MAIN_TICKET_KEYS_H
#define MAIN_TICKET_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/must.h"
#include "tls/tickets.h"

struct ticket_keys;

/* The environment variable that names the descriptor that an upgrade inherits. */
#define TICKET_KEYS_VARIABLE "FRONTDESK_TICKETS"

/* In the process that keeps them: after the last fork of its own. Those that the variable leads to, which is cleared,
 * or new ones. NULL: there is no memory; tickets are then good for as long as a worker lives. */
struct ticket_keys *ticket_keys_new(int64_t now_ms);
void                ticket_keys_free(struct ticket_keys **keys);

/* A new one in front when the newest is older than `period_ms`. True: there is, tell the workers. */
bool    ticket_keys_rotate(struct ticket_keys *keys, int64_t period_ms, int64_t now_ms);
/* When the next rotation is due. */
int64_t ticket_keys_due_ms(const struct ticket_keys *keys, int64_t period_ms);

/* A copy in a sealed descriptor, and back; the descriptor stays the caller's. -EINVAL: it holds something else. */
int ticket_keys_to_fd(const struct ticket_keys *keys, int *ret_fd) WARN_UNUSED;
int ticket_keys_from_fd(int fd, struct tls_ticket_keys *ret_keys, int64_t *ret_made_ms) WARN_UNUSED;

#endif
