// SPDX-License-Identifier: MIT
/* Listening sockets, on the supervisor's side: opened once, kept by address through reloads, handed
 * to a new binary through the environment. Owner: the bundle that holds them. One thread. */
#ifndef MAIN_LISTENERS_H
#define MAIN_LISTENERS_H

#include "config/bundle.h"
#include "main/report.h"

enum { LISTENER_NAME_BYTES = ADDRESS_TEXT_BYTES + 16 };

/* One socket for all loops, or with reuseport one for each. */
bool listen_is_per_loop(const struct listen *listen);
/* "0.0.0.0:80", or "0.0.0.0:80#2" for loop 2. */
struct text listener_name(char buffer[LISTENER_NAME_BYTES], const struct listen *listen,
                          unsigned loop);

/* The same for a loop's own socket, which stays when reuseport goes: closing it would reset whoever
 * connects in that moment. Loop 0's is then everybody's who has none. */
struct text listener_own_name(char buffer[LISTENER_NAME_BYTES], const struct listen *listen,
                              unsigned loop);

enum listeners_purpose { LISTENERS_START = 0, LISTENERS_RELOAD, LISTENERS_TEST };

/* Opens what the site listens on and adds it to `bundle`; sockets that `former` (may be NULL) has
 * are shared with it. Every failure is reported; -EADDRINUSE and so on of the last one. For a test
 * sockets are opened, closed again, and taken ports forgiven. */
int listeners_open(const struct site *site, unsigned loop_count, const struct bundle *former,
                   enum listeners_purpose purpose, const struct report *report,
                   struct bundle *bundle) WARN_UNUSED;

/* Removes the files of unix sockets that `site` listens on and `next` (may be NULL) does not. */
void listeners_unlink(const struct site *site, const struct site *next);

/* The environment variable that names inherited sockets: "FRONTDESK_SOCKETS=5;6;" */
#define LISTENERS_VARIABLE "FRONTDESK_SOCKETS"
/* Into a bundle without texts, by the addresses that the sockets have; clears the variable.
 * *ret_count: how many. What is no listening socket is reported and left alone. */
void listeners_inherit(struct bundle *bundle, const struct report *report, unsigned *ret_count);
/* The value for a child, which has the same descriptors once listeners_keep_open() was called. */
struct text listeners_write(const struct bundle *bundle, struct arena *arena);
void        listeners_keep_open(const struct bundle *bundle);

#endif
