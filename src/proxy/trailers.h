// SPDX-License-Identifier: MIT
/* Trailer fields on their way through: what a server says behind its body to the client, what a client says
 * behind its own to the server. The message that carries them on is held until they are known.
 * RFC 9110 6.5: nothing of them is ever merged into a head, and what frames or routes is left out. */
#ifndef PROXY_TRAILERS_H
#define PROXY_TRAILERS_H

#include "proxy/exchange.h"

/* The answer's head is about to go out, whose body comes straight from the peer: its end waits for the
 * peer's trailers, if the client may have them. */
void trailers_await_answer(struct exchange *x);
/* The peer has said all, or will say no more: the answer may end. */
void trailers_pass_answer(struct exchange *x);
/* The client has sent some, and a server of this location may have them. */
bool trailers_wait_behind_request(const struct exchange *x);
/* Into the request's head for the peer: which of the client's trailers are to be expected, of those that it has
 * announced. */
void trailers_announce_request(struct exchange *x, struct head *head);
/* The request is about to go to the peer: its end waits for the client's trailers, if the peer may have them. */
void trailers_await_request(struct exchange *x, struct stream *peer);
/* Looks whether they are there. */
void trailers_pass_request(struct exchange *x);

#endif
