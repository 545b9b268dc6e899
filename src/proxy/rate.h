// SPDX-License-Identifier: MIT
/* limit_rate as it stands for an exchange now: from the peer, `set`, or the directive. */
#ifndef PROXY_RATE_H
#define PROXY_RATE_H

#include <stdint.h>

struct exchange;

/* Bytes per second to the client; 0: no limit. */
uint64_t rate_to_client(struct exchange *x);
/* limit_rate_after: bytes that go first. */
uint64_t rate_free_bytes(struct exchange *x);

#endif
