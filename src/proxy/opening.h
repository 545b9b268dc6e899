// SPDX-License-Identifier: MIT
/* The first words of a connection, before a codec hears of it: a PROXY header, a TLS handshake, and
 * which HTTP the client speaks.
 *
 * A protocol (net/protocol.h) that gives its place to a codec's. It costs a connection nothing once that
 * has happened; one of a plain listen without any of these never has it. */
#ifndef PROXY_OPENING_H
#define PROXY_OPENING_H

#include <stdbool.h>

struct client;
struct listen;
struct protocol;

/* Has a connection of this listen anything to say before its first request? */
bool             opening_is_due(const struct listen *listen);
/* For a client whose conn is about to be made. */
struct protocol *opening_new(struct client *client);
bool             opening_is(const struct protocol *protocol);
/* The conn's handshake is over: the codec's turn. */
void             opening_secured(struct client *client);

#endif
