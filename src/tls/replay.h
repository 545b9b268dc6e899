// SPDX-License-Identifier: MIT
/* Early data is taken once (RFC 8446 8.2): hellos of the last seconds are remembered by their random bytes, which no
 * honest client uses twice. OpenSSL has judged the ticket's age before. Any thread. */
#ifndef TLS_REPLAY_H
#define TLS_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* From now on this process can tell. Again in the same process: nothing. */
void tls_replay_start(void);
/* May early data of this hello be taken? `issued_s`: when its ticket was made (wall clock). False, too, when there
 * have been too many, and for tickets that a former process made while it may have taken the same hello. */
bool tls_replay_first(struct text random, int64_t issued_s);

#endif
