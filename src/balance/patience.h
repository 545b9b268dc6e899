// SPDX-License-Identifier: MIT
/* How long a peer lets a connection rest: what it says (Keep-Alive: timeout=5), or else what it was
 * seen to do. We close a little earlier, so that no request meets a connection that is being closed.
 * Kept in the peer, shared by all loops; any thread. */
#ifndef BALANCE_PATIENCE_H
#define BALANCE_PATIENCE_H

#include "balance/peer.h"

/* `keepalive_ms` of the configuration, or less. */
uint32_t patience_ms(const struct peer *peer, uint32_t keepalive_ms, int64_t now_ms);
/* A Keep-Alive field's value came with an answer; TEXT_NONE: there was none. */
void     patience_note_said(struct peer *peer, struct text value, int64_t now_ms);
/* It closed a connection that had rested so long. */
void     patience_note_closed(struct peer *peer, int64_t rested_ms, int64_t now_ms);

/* Seconds of `timeout=` (RFC 2068, 19.7.1.1, as servers send it), at most a day; false: none there. */
bool     patience_parse(struct text value, uint32_t *ret_seconds);

#endif
